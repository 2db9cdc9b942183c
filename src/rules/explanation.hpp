#pragma once
#include <memory>
#include <string>
#include <vector>

#include "rules/policy.hpp"

// What a user would get under a policy, and which lines of the rules file say so: what
// `pgtide rules explain` prints. Everything is asked of the policy that also decides.
namespace pgtide {

// What decided something: "subscribe: 'editor' in user.roles". Line 0: no line of the file.
struct Reason {
  std::string text{};
  SourcePlace place{};
};

struct ExplainedColumn {
  std::string name{};
  bool visible = false;
  Reason reason{};  // empty where no line speaks of it
};

struct ExplainedCollection {
  std::string name{};
  bool open = false;    // else nothing of it is sent, whoever asks
  bool listed = false;  // in the rules
  bool watched = false;  // a table; else custom events only
  std::string rows{};   // the remainder of `where`; "every row"; "no row: ..."
  Reason where{};
  std::vector<ExplainedColumn> columns{};  // in the table's order; without one, those named
  bool other_columns = true;               // custom events: is what is not named seen?
};

struct Explanation {
  bool allowed = false;
  Reason decision{};
  std::vector<ExplainedCollection> collections{};  // one; of "*" all, by name; denied: none
};

Explanation explain(const Policy& policy, const Principal* who, const Pattern& pattern);

}  // namespace pgtide
