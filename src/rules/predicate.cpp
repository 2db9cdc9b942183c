#include "rules/predicate.hpp"

#include <algorithm>

#include "rules/evaluator.hpp"
#include "rules/index_plan.hpp"
#include "rules/printer.hpp"
#include "rules/specializer.hpp"

namespace pgtide {

Predicate::Predicate(Private, std::unique_ptr<const Node> root)
    : root_(std::move(root)), text_(print_tree(*root_)) {
  IndexPlan plan = plan_index(*root_);
  terms_ = std::move(plan.terms);
  terms_suffice_ = plan.exact;
  if (!root_->is(NodeKind::constant)) return;
  outcome_ = root_->value.is_true() ? Outcome::always : Outcome::never;
}

Predicate::Predicate(Private, std::string text, std::vector<IndexTerm> terms)
    : text_(std::move(text)), terms_(std::move(terms)), terms_suffice_(true) {}

Predicate::~Predicate() = default;

std::shared_ptr<const Predicate> Predicate::specialize(const Expression& where,
                                                       const Principal* user) {
  return std::make_shared<const Predicate>(Private{}, specialize_tree(where.root(), user));
}

std::shared_ptr<const Predicate> Predicate::of_filter(const Expression& filter,
                                                      const Projection& shown) {
  if (!shown.shape.open) return specialize(filter, nullptr);
  return std::make_shared<const Predicate>(Private{}, specialize_tree(filter.root(), shown));
}

std::shared_ptr<const Predicate> Predicate::both(std::shared_ptr<const Predicate> one,
                                                 std::shared_ptr<const Predicate> other) {
  if (one == nullptr || other == nullptr) return one == nullptr ? other : one;
  return std::make_shared<const Predicate>(Private{}, join_trees(*one->root_, *other->root_));
}

std::shared_ptr<const Predicate> Predicate::compacted(std::shared_ptr<const Predicate> predicate) {
  if (!predicate->terms_suffice_ || predicate->outcome_ != Outcome::by_record) return predicate;
  return std::make_shared<const Predicate>(Private{}, predicate->text_, predicate->terms_);
}

bool Predicate::holds(const RecordView& record) const {
  if (outcome_ != Outcome::by_record) return outcome_ == Outcome::always;
  if (root_ == nullptr) return has_term(record);
  Scratch scratch;
  return evaluate(*root_, {nullptr, &record}, scratch).is_true();
}

bool Predicate::has_term(const RecordView& record) const {
  std::vector<std::string> keys;
  const IndexDimension* looked_at = nullptr;
  for (const auto& [dimension, key] : terms_) {
    if (looked_at == nullptr || *looked_at != dimension) {
      keys.clear();
      append_index_keys(keys, record, dimension);
      looked_at = &dimension;
    }
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) return true;
  }
  return false;
}

}  // namespace pgtide
