#pragma once
#include <vector>

#include "rules/expression.hpp"
#include "rules/node.hpp"

namespace pgtide {

// What is wrong with a tree in a scope; see Expression::check.
std::vector<ExpressionFault> check_tree(const Node& root, const Scope& scope);

}  // namespace pgtide
