#pragma once
#include <string>
#include <vector>

#include "rules/node.hpp"
#include "rules/predicate.hpp"

namespace pgtide {

// By which terms a specialized tree can be found.
struct IndexPlan {
  bool served = false;             // false: by none, and the rest says nothing
  bool exact = false;              // one term is enough
  std::vector<IndexTerm> terms{};  // sorted, each once
};

// Of a term that many records have: a boolean, or NULL.
bool is_frequent(const IndexTerm& term);

// Of the conditions that must all hold, the one with the fewest terms. A term that many records
// have, like a boolean or NULL, counts as many.
IndexPlan plan_index(const Node& condition);

}  // namespace pgtide
