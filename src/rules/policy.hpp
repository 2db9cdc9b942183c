#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/catalog.hpp"
#include "model/pattern.hpp"
#include "model/principal.hpp"
#include "rules/rules.hpp"
#include "rules/text_map.hpp"

namespace pgtide {

// What a receiver sees of one collection's rows. Subscriptions that see the same share one object,
// so that equality is a comparison of addresses.
struct Projection {
  bool everything = true;              // no `hide`: rows pass untouched
  std::vector<std::string> columns{};  // else: the visible ones, sorted; what is not here is hidden
  std::vector<std::string> hidden{};   // what `hide` names, sorted: also kept out of custom events
  bool deleted_record_full = false;
  bool old = false;

  bool shows(std::string_view column) const;
  // A custom event's data has names that no table knows: all but the hidden ones are shown.
  bool shows_in_custom(std::string_view name) const;
  // Do both show the same columns?
  bool shows_same(const Projection& other) const;
};

// Rules held against a catalog: who may subscribe to what, and what is seen of it. Immutable; one
// object is shared by all shards and replaced whole when rules or catalog change.
//
// In a collection with `hide`, only columns that were known when the rules were first held
// against its table are visible: a column that is added or renamed later does not leak. A rule
// that names a vanished column closes its collection.
class Policy {
 public:
  enum class Verdict { allowed, denied, unknown_collection };

  // `previous` is the policy that this one replaces under the *same* rules (columns stay as it
  // knew them), or null when the rules were loaded anew.
  static std::shared_ptr<const Policy> bind(std::shared_ptr<const Rules> rules,
                                            std::shared_ptr<const Catalog> catalog,
                                            const Policy* previous);

  // `unknown_collection` is only ever said to who may subscribe to everything.
  Verdict may_subscribe(const Principal* who, const Pattern& pattern) const;

  // How the receivers of `pattern`'s subscriptions see `collection`; null where they see nothing
  // of it (it is closed, or neither watched nor listed). The same for all patterns in this version.
  // A collection that is watched and not listed is seen whole, by "*" alone.
  const Projection* projection(std::string_view collection) const;

  // Is this name listed in the rules?
  bool lists(std::string_view collection) const;

  // What is wrong between rules and database, each with place and mend: "rules.yaml:7:3: posts:
  // table public.posts is not watched; run: pgtide watch posts". For /readyz, the log, `check`.
  const std::vector<std::string>& problems() const { return problems_; }

  const Rules& rules() const { return *rules_; }
  const Catalog& catalog() const { return *catalog_; }

 private:
  struct Opened {
    std::vector<std::string> known_columns{};        // when the rules were first held against it
    std::shared_ptr<const Projection> projection{};  // null: the collection is closed
  };
  Policy(std::shared_ptr<const Rules> rules, std::shared_ptr<const Catalog> catalog);
  Opened open(const CollectionRule& rule, const Opened* before);
  void check_hide(const CollectionRule& rule, const Collection& watched);
  void report(SourcePlace place, const CollectionRule& rule, const std::string& what);

  std::shared_ptr<const Rules> rules_;
  std::shared_ptr<const Catalog> catalog_;
  TextMap<Opened> opened_;  // one entry per listed collection
  std::vector<std::string> problems_;
};

}  // namespace pgtide
