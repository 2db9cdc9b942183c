#include "rules/expression.hpp"

#include <algorithm>

#include "rules/checker.hpp"
#include "rules/evaluator.hpp"
#include "rules/node.hpp"
#include "rules/parser.hpp"

namespace pgtide {
namespace {

void sort_faults(std::vector<ExpressionFault>& faults) {
  std::stable_sort(faults.begin(), faults.end(),
                   [](const auto& a, const auto& b) { return a.offset < b.offset; });
}

bool calls_matches(const Node& node) {
  return node.pattern != nullptr ||
         std::any_of(node.children.begin(), node.children.end(),
                     [](const NodePointer& child) { return calls_matches(*child); });
}

}  // namespace

Expression::~Expression() = default;

std::variant<std::shared_ptr<const Expression>, std::vector<ExpressionFault>> Expression::parse(
    std::string_view text, const ExpressionLimits& limits) {
  std::vector<ExpressionFault> faults;
  NodePointer root = parse_tree(text, limits, faults);
  if (root == nullptr) {
    sort_faults(faults);
    return faults;
  }
  std::shared_ptr<Expression> expression(new Expression);
  expression->text_ = text;
  expression->root_ = std::move(root);
  return expression;
}

std::vector<ExpressionFault> Expression::check(const Scope& scope) const {
  std::vector<ExpressionFault> faults = check_tree(*root_, scope);
  sort_faults(faults);
  return faults;
}

bool Expression::has_pattern() const {
  return calls_matches(*root_);
}

bool Expression::holds(const Principal* user) const {
  Scratch scratch;
  return evaluate(*root_, {user, nullptr}, scratch).is_true();
}

}  // namespace pgtide
