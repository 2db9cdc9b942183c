#pragma once
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rules/expression.hpp"

namespace pgtide {

// A place in a rules file, for the messages about it. Lines and columns count from 1.
struct SourcePlace {
  int line = 0;
  int column = 0;
};

// An expression of the rules file, and where each byte of its text stands there (and its end).
struct RuleExpression {
  std::shared_ptr<const Expression> expression{};
  std::vector<SourcePlace> places{};

  SourcePlace place_of(std::size_t offset) const {
    return places[std::min(offset, places.size() - 1)];
  }
};

// Whom something is open to.
struct Audience {
  enum class Kind { nobody, anyone, authenticated, by_rule };
  Kind kind = Kind::nobody;
  RuleExpression rule{};  // over `user`, checked; of by_rule
  SourcePlace place{};    // of the value; 0 where the file says nothing

  bool admits(const Principal* who) const;
};

// A column that `hide` names, and who sees it nevertheless.
struct HiddenColumn {
  std::string name{};
  SourcePlace place{};
  Audience seen_by{};
};

// A column that `show` names.
struct ShownColumn {
  std::string name{};
  SourcePlace place{};
};

// What the rules file says of one collection (PROTOCOL 4).
struct CollectionRule {
  std::string name{};
  std::string table{};               // "schema.table"; default: "public.<name>"
  bool table_given = false;          // `table:` stands in the file
  Audience subscribe{};              // without `subscribe:` nobody may
  std::optional<RuleExpression> where{};  // over `user` and `record`; parsed, and checked by Policy
  bool deleted_record_full = false;  // a delete carries the whole old row
  bool old = false;                  // an update carries the old row
  std::vector<HiddenColumn> hide{};
  std::optional<std::vector<ShownColumn>> show{};  // nobody sees another column, but for the key
  SourcePlace place{};

  bool narrows_columns() const { return !hide.empty() || show.has_value(); }
};

// The rules file, parsed and complete in itself, not yet held against a database (see Policy).
// A default-made Rules denies everything, as a missing file does.
struct Rules {
  std::string file{};  // for messages
  Audience all{};      // who may subscribe to "*"
  std::map<std::string, CollectionRule, std::less<>> collections{};
};

}  // namespace pgtide
