#pragma once
#include <string_view>
#include <vector>

#include "rules/expression.hpp"
#include "rules/node.hpp"

namespace pgtide {

// The tree of an expression; null where there are faults. Total over any bytes: how deep it
// recurses is bounded by the limits.
NodePointer parse_tree(std::string_view text, const ExpressionLimits& limits,
                       std::vector<ExpressionFault>& faults);

}  // namespace pgtide
