#include "rules/predicate.hpp"

#include <algorithm>
#include <optional>

#include "rules/compact_tree.hpp"
#include "rules/evaluator.hpp"
#include "rules/index_plan.hpp"
#include "rules/printer.hpp"
#include "rules/specializer.hpp"
#include "rules/tree_bytes.hpp"

namespace pgtide {

namespace {

// A list has a key for each element, which may be two bytes long.
std::uint64_t steps_of_keys(const RowMember* member, const IndexDimension& dimension) {
  constexpr std::uint64_t itself = 8, of_element_byte = 4;
  if (member == nullptr) return itself;
  const std::size_t bytes = member->value.size();
  const bool each = dimension.of == IndexDimension::Of::element;
  return itself + (each ? bytes * of_element_byte : bytes / digits_per_step);
}

}  // namespace

Predicate::Predicate(Private, std::unique_ptr<const Node> root, std::size_t ruled)
    : root_(std::move(root)),
      text_(print_tree(*root_)),
      ruled_(static_cast<std::uint32_t>(ruled)) {
  const IndexPlan plan = plan_index(*root_);
  terms_ = TermList(plan.terms);
  terms_suffice_ = plan.exact;
  terms_narrow_ = terms_suffice_ || (!plan.terms.empty() &&
                                     std::none_of(plan.terms.begin(), plan.terms.end(),
                                                  is_frequent));
  if (!root_->is(NodeKind::constant)) return;
  outcome_ = root_->value.is_true() ? Outcome::always : Outcome::never;
}

Predicate::Predicate(Private, const Predicate& whole)
    : text_(whole.text_),
      terms_(whole.terms_),
      terms_suffice_(whole.terms_suffice_),
      terms_narrow_(whole.terms_narrow_),
      outcome_(whole.outcome_),
      ruled_(whole.ruled_) {
  if (!terms_suffice_) compact_ = std::make_unique<const CompactTree>(*whole.root_);
}

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

std::shared_ptr<const Predicate> Predicate::both(std::shared_ptr<const Predicate> rule,
                                                 std::shared_ptr<const Predicate> filter) {
  if (rule == nullptr || filter == nullptr) return rule == nullptr ? filter : rule;
  const bool always = rule->outcome_ == Outcome::always;
  const Node& root = *rule->root_;
  const std::size_t ruled = always ? 0 : root.is(NodeKind::all) ? root.children.size() : 1;
  return std::make_shared<const Predicate>(Private{}, join_trees(root, *filter->root_), ruled);
}

std::shared_ptr<const Predicate> Predicate::compacted(std::shared_ptr<const Predicate> predicate) {
  if (predicate->root_ == nullptr || predicate->outcome_ != Outcome::by_record) return predicate;
  return std::make_shared<const Predicate>(Private{}, *predicate);
}

std::size_t Predicate::bytes() const {
  constexpr std::size_t block_bytes = 16;  // of each block, for the allocator (glibc 2.36)
  return sizeof(Predicate) + text_.capacity() + terms_.bytes() + 3 * block_bytes +
         (root_ ? tree_bytes(*root_) : 0) + (compact_ ? compact_->bytes() : 0);
}

bool Predicate::holds(const RecordView& record) const {
  std::uint64_t all = Scratch::unlimited;
  return holds(record, all);
}

bool Predicate::holds(const RecordView& record, std::uint64_t& steps_left) const {
  if (outcome_ != Outcome::by_record) return outcome_ == Outcome::always;
  Scratch scratch(steps_left);
  const Surroundings around{nullptr, &record};
  const bool held = compact_ != nullptr ? pgtide::holds(*compact_, ruled_, around, scratch)
                    : root_ != nullptr  ? pgtide::holds(*root_, ruled_, around, scratch)
                                        : has_term(record, scratch);
  steps_left = scratch.steps_left();
  return held;
}

bool Predicate::has_term_of(const RecordView& record) const {
  Scratch scratch;
  return has_term(record, scratch);
}

bool Predicate::has_term(const RecordView& record, Scratch& scratch) const {
  std::vector<std::string> keys;
  std::optional<IndexDimension> looked_at;
  bool found = false;
  terms_.for_each([&](const IndexDimension& dimension, std::string_view key) {
    if (looked_at != dimension) {
      keys.clear();
      const RowMember* member = record.row->find(dimension.column);
      if (!scratch.spend(steps_of_keys(member, dimension))) return false;
      append_index_keys(keys, record, dimension);
      looked_at = dimension;
    }
    found = std::find(keys.begin(), keys.end(), key) != keys.end();
    return !found;
  });
  return found;
}

}  // namespace pgtide
