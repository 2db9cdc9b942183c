#pragma once
#include <optional>
#include <string>
#include <vector>

#include "model/pattern.hpp"
#include "model/principal.hpp"
#include "pgtide/event.hpp"
#include "rules/rules.hpp"

namespace pgtide {

// A column's value in a case's row.
struct CaseColumn {
  std::string name{};
  std::string json{};
  SourcePlace place{};        // of the name
  SourcePlace value_place{};
};

struct CaseRow {
  SourcePlace place{};
  std::vector<CaseColumn> columns{};  // those that are not here are NULL
};

// One expectation of the rules: a user, what he subscribes to, a change, and what of it reaches
// him. (`pgtide rules test`; docs/rules.md.)
struct RuleCase {
  std::string name{};
  SourcePlace place{};
  std::optional<Principal> user{};     // nothing: anonymous
  Pattern pattern{};
  std::optional<std::string> filter{};
  std::string collection{};            // of the row
  Action action = Action::create;      // create, update, delete; custom: `row` is the event's data
  std::optional<CaseRow> row{};        // of create, update, custom
  std::optional<CaseRow> old{};        // of update, delete
  std::string expected{};              // denied, nothing, or an action's name
  std::optional<std::vector<std::string>> columns{};  // exactly these are in `record`; sorted

  bool has_change() const { return row.has_value() || old.has_value(); }
};

// What cannot be in a case, with its place and mend.
struct CaseFault {
  SourcePlace place{};
  std::string message{};
};

}  // namespace pgtide
