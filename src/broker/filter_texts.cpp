#include "broker/filter_texts.hpp"

#include "broker/sweep.hpp"

namespace pgtide {

std::variant<std::shared_ptr<const Expression>, ExpressionFault> FilterTexts::parse(
    const std::string& text) {
  const auto known = held_.find(text);
  if (known != held_.end()) {
    if (auto same = known->second.lock()) return same;
  }
  auto parsed = Expression::parse(text, filter_limits);
  if (auto* faults = std::get_if<1>(&parsed)) return std::move(faults->front());
  sweep(held_);
  held_.insert_or_assign(text, std::get<0>(parsed));
  return std::move(std::get<0>(parsed));
}

}  // namespace pgtide
