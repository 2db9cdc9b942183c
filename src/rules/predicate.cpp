#include "rules/predicate.hpp"

#include <algorithm>

#include "rules/evaluator.hpp"
#include "rules/index_plan.hpp"
#include "rules/printer.hpp"
#include "rules/specializer.hpp"

namespace pgtide {

struct Predicate::State {
  NodePointer root;
  std::string text;
  IndexPlan plan;
  std::vector<std::string> columns;
  Outcome outcome = Outcome::by_record;

  explicit State(NodePointer tree)
      : root(std::move(tree)), text(print_tree(*root)), plan(plan_index(*root)) {
    append_columns(columns, *root);
    std::sort(columns.begin(), columns.end());
    columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
    if (root->is(NodeKind::constant)) {
      outcome = root->value.is_true() ? Outcome::always : Outcome::never;
    }
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
const std::vector<std::string>& Predicate::columns() const {
  return state_->columns;
}

bool Predicate::holds(const RecordView& record) const {
  if (state_->outcome != Outcome::by_record) return state_->outcome == Outcome::always;
  Scratch scratch;
  return evaluate(*state_->root, {nullptr, &record}, scratch).is_true();
}

}  // namespace pgtide
