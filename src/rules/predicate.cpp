#include "rules/predicate.hpp"

#include <algorithm>

#include "rules/evaluator.hpp"
#include "rules/index_plan.hpp"
#include "rules/printer.hpp"
#include "rules/specializer.hpp"

namespace pgtide {

struct Predicate::State {
  NodePointer root;  // null: the plan's terms decide
  std::string text;
  IndexPlan plan;
  Outcome outcome = Outcome::by_record;

  explicit State(NodePointer tree)
      : root(std::move(tree)), text(print_tree(*root)), plan(plan_index(*root)) {
    if (root->is(NodeKind::constant)) {
      outcome = root->value.is_true() ? Outcome::always : Outcome::never;
    }
  }
  State(std::string text_, IndexPlan plan_) : text(std::move(text_)), plan(std::move(plan_)) {}

  // Has the record one of the terms?
  bool has_term(const RecordView& record) const {
    std::vector<std::string> keys;
    const IndexDimension* looked_at = nullptr;
    for (const auto& [dimension, key] : plan.terms) {
      if (looked_at == nullptr || *looked_at != dimension) {
        keys.clear();
        append_index_keys(keys, record, dimension);
        looked_at = &dimension;
      }
      if (std::find(keys.begin(), keys.end(), key) != keys.end()) return true;
    }
    return false;
  }
};

Predicate::Predicate(std::unique_ptr<const State> state) : state_(std::move(state)) {}
Predicate::~Predicate() = default;

std::shared_ptr<const Predicate> Predicate::specialize(const Expression& where,
                                                       const Principal* user) {
  auto state = std::make_unique<const State>(specialize_tree(where.root(), user));
  return std::shared_ptr<const Predicate>(new Predicate(std::move(state)));
}

std::shared_ptr<const Predicate> Predicate::of_filter(const Expression& filter) {
  return specialize(filter, nullptr);
}

std::shared_ptr<const Predicate> Predicate::both(std::shared_ptr<const Predicate> one,
                                                 std::shared_ptr<const Predicate> other) {
  if (one == nullptr || other == nullptr) return one == nullptr ? other : one;
  auto state = std::make_unique<const State>(join_trees(*one->state_->root, *other->state_->root));
  return std::shared_ptr<const Predicate>(new Predicate(std::move(state)));
}

std::shared_ptr<const Predicate> Predicate::compacted(std::shared_ptr<const Predicate> predicate) {
  const State& state = *predicate->state_;
  if (!state.plan.exact || state.outcome != Outcome::by_record) return predicate;
  auto compact = std::make_unique<const State>(state.text, state.plan);
  return std::shared_ptr<const Predicate>(new Predicate(std::move(compact)));
}

Predicate::Outcome Predicate::outcome() const {
  return state_->outcome;
}
const std::string& Predicate::text() const {
  return state_->text;
}
const std::vector<IndexTerm>& Predicate::terms() const {
  return state_->plan.terms;
}
bool Predicate::terms_suffice() const {
  return state_->plan.exact;
}

bool Predicate::holds(const RecordView& record) const {
  if (state_->outcome != Outcome::by_record) return state_->outcome == Outcome::always;
  if (state_->root == nullptr) return state_->has_term(record);
  Scratch scratch;
  return evaluate(*state_->root, {nullptr, &record}, scratch).is_true();
}

}  // namespace pgtide
