#include "broker/filter_texts.hpp"

#include <utility>

#include "rules/tree_bytes.hpp"

namespace pgtide {
namespace {

// A filter that is in the account for as long as somebody holds it, however many do.
struct Counted {
  std::shared_ptr<const Expression> filter{};
  MemoryCharge charge{};
};

}  // namespace

std::variant<std::shared_ptr<const Expression>, ExpressionFault> FilterTexts::parse(
    const std::string& text) {
  const auto known = held_.find(text);
  if (known != held_.end()) {
    if (auto same = known->second.lock()) return same;
  }
  auto parsed = Expression::parse(text, filter_limits);
  if (auto* faults = std::get_if<1>(&parsed)) return std::move(faults->front());
  sweep_(held_);
  const auto counted = std::make_shared<Counted>();
  counted->filter = std::move(std::get<0>(parsed));
  counted->charge = {memory_, MemoryKind::subscriptions,
                     tree_bytes(counted->filter->root()) + 2 * text.size()};
  std::shared_ptr<const Expression> filter(counted, counted->filter.get());
  held_.insert_or_assign(text, filter);
  return filter;
}

}  // namespace pgtide
