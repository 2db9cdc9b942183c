#include "broker/standing.hpp"

namespace pgtide {

Standing::Decided& Standing::of(const Pattern& pattern) {
  const bool everything = pattern.kind == Pattern::Kind::everything;
  return by_collection_[everything ? "*" : pattern.collection];
}

Policy::Verdict Standing::may_subscribe(const Pattern& pattern) {
  auto& verdict = of(pattern).verdict;
  if (!verdict) {
    ++decided_;
    verdict = policy_.may_subscribe(who_, pattern);
  }
  return *verdict;
}

std::shared_ptr<const Predicate> Standing::rows(const Pattern& pattern) {
  auto& rows = of(pattern).rows;
  if (!rows) {
    ++decided_;
    rows = policy_.rows(who_, pattern.collection);
  }
  return *rows;
}

std::shared_ptr<const Lens> Standing::lens(const Pattern& pattern) {
  auto& lens = of(pattern).lens;
  if (!lens) {
    ++decided_;
    lens = lenses_.share(policy_, who_, pattern);
  }
  return *lens;
}

}  // namespace pgtide
