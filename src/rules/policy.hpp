#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/catalog.hpp"
#include "model/pattern.hpp"
#include "model/principal.hpp"
#include "model/text_map.hpp"
#include "rules/predicate.hpp"
#include "rules/projection.hpp"
#include "rules/rules.hpp"

namespace pgtide {

// Rules held against a catalog: who may subscribe to what, and what is seen of it. Immutable; one
// object is shared by all shards and replaced whole when rules or catalog change.
//
// In a collection with `hide` or `show`, only columns that were known when the rules were first
// held against its table are visible: a column that is added or renamed later does not leak. A rule
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
  bool may_everything(const Principal* who) const { return rules_->all.admits(who); }

  // Which rows of the collection this user sees, by `where`; null: all of them. Not for "*", which
  // `where` does not narrow.
  std::shared_ptr<const Predicate> rows(const Principal* who, std::string_view collection) const;

  // Which of the columns that `hide` shows to some this user sees, '1' or '0' each, in the order of
  // the file; empty where the collection has none. Together with the collection it names a
  // projection.
  std::string grants(const Principal* who, std::string_view collection) const;
  // Null where nobody sees anything: the collection is closed, or neither watched nor listed. One
  // that is watched and not listed is seen whole, by "*" alone.
  std::shared_ptr<const Projection> projection(std::string_view collection,
                                               std::string_view grants) const;
  // The collections whose projections depend on the user, sorted.
  const std::vector<std::string>& granting() const { return granting_; }

  // Is it open, and does its rule go by columns' names? Then a row with other columns than the
  // catalog's must not be decided.
  bool goes_by_columns(std::string_view collection) const;
  // The columns of its table, for predicates; null where none is watched.
  const RecordShape* shape(std::string_view collection) const;

  // What "*" covers: the collections that are watched, and those that are listed.
  std::set<std::string> covered() const;
  // Is this name listed in the rules?
  bool lists(std::string_view collection) const;

  // What is wrong between rules and database, each with place and mend: "rules.yaml:7:3: posts:
  // table public.posts is not watched; run: pgtide watch posts". For /readyz, the log, `check`.
  const std::vector<std::string>& problems() const { return problems_; }
  // Is one of them a fault of the file, such as a column that does not exist?
  bool file_is_at_fault() const { return file_is_at_fault_; }

  const Rules& rules() const { return *rules_; }
  const Catalog& catalog() const { return *catalog_; }

 private:
  struct Opened {
    const CollectionRule* rule = nullptr;
    bool open = false;
    std::map<std::string, int> known_columns{};  // by name, the number; of the first look at it
    std::shared_ptr<const Projection> projection{};  // of who has no grant; null: closed
  };
  Policy(std::shared_ptr<const Rules> rules, std::shared_ptr<const Catalog> catalog);
  Opened open(const CollectionRule& rule, const Opened* before);
  void check_renamed(const Opened& opened, const Collection& watched);
  void check_file(const CollectionRule& rule, const Collection* watched);
  void check_column(const CollectionRule& rule, const Collection& watched,
                    const std::string& column, SourcePlace place);
  void check_where(const CollectionRule& rule, const Collection* watched);
  std::shared_ptr<const Projection> project(const Opened& opened, std::string_view grants) const;
  void report(SourcePlace place, const CollectionRule& rule, const std::string& what);
  const Opened* find_open(std::string_view collection) const;

  std::shared_ptr<const Rules> rules_;
  std::shared_ptr<const Catalog> catalog_;
  TextMap<Opened> opened_;  // one entry per listed collection
  TextMap<RecordShape> shapes_;  // one entry per watched collection
  std::vector<std::string> granting_;
  std::vector<std::string> problems_;
  bool file_is_at_fault_ = false;
};

}  // namespace pgtide
