#include "rules/predicate.hpp"

#include <algorithm>

#include "rules/evaluator.hpp"
#include "rules/index_plan.hpp"
#include "rules/printer.hpp"
#include "rules/specializer.hpp"
#include "rules/tree_bytes.hpp"

namespace pgtide {

Predicate::Predicate(Private, std::unique_ptr<const Node> root)
    : root_(std::move(root)), text_(print_tree(*root_)) {
  IndexPlan plan = plan_index(*root_);
  terms_ = std::move(plan.terms);
  terms_suffice_ = plan.exact;
  terms_narrow_ = terms_suffice_ || (!terms_.empty() && std::none_of(terms_.begin(), terms_.end(),
                                                                     is_frequent));
  if (!root_->is(NodeKind::constant)) return;
  outcome_ = root_->value.is_true() ? Outcome::always : Outcome::never;
}

Predicate::Predicate(Private, std::string text, std::vector<IndexTerm> terms)
    : text_(std::move(text)), terms_(std::move(terms)), terms_suffice_(true), terms_narrow_(true) {}

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

std::size_t Predicate::bytes() const {
  std::size_t bytes = sizeof(Predicate) + text_.size() + (root_ ? tree_bytes(*root_) : 0);
  for (const IndexTerm& term : terms_) {
    bytes += sizeof(IndexTerm) + term.key.size() + term.dimension.column.size();
  }
  return bytes;
}

bool Predicate::holds(const RecordView& record) const {
  std::uint64_t all = Scratch::unlimited;
  return holds(record, all);
}

bool Predicate::holds(const RecordView& record, std::uint64_t& steps_left) const {
  if (outcome_ != Outcome::by_record) return outcome_ == Outcome::always;
  Scratch scratch(steps_left);
  const bool held = root_ == nullptr ? has_term(record, scratch)
                                     : evaluate(*root_, {nullptr, &record}, scratch).is_true();
  steps_left = scratch.steps_left();
  return held;
}

bool Predicate::has_term(const RecordView& record, Scratch& scratch) const {
  std::vector<std::string> keys;
  const IndexDimension* looked_at = nullptr;
  for (const auto& [dimension, key] : terms_) {
    if (looked_at == nullptr || *looked_at != dimension) {
      keys.clear();
      const RowMember* member = record.row->find(dimension.column);
      constexpr std::size_t bytes = 16;  // that one step is enough for
      if (!scratch.spend(1 + (member != nullptr ? member->value.size() / bytes : 0))) return false;
      append_index_keys(keys, record, dimension);
      looked_at = &dimension;
    }
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) return true;
  }
  return false;
}

}  // namespace pgtide
