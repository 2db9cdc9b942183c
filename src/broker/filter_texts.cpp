#include "broker/filter_texts.hpp"

#include <utility>
#include <variant>

#include "pgtide/result.hpp"

namespace pgtide {
namespace {

// What a filter takes beside its text: itself, its shared pointer's counts, its place in the table.
constexpr std::size_t held_bytes = sizeof(HeldFilter) + 64;

}  // namespace

HeldFilterPointer FilterTexts::hold(const Expression& filter) {
  const auto known = held_.find(std::string_view(filter.text()));
  if (known != held_.end()) return (*known)->shared_from_this();
  const std::shared_ptr<HeldFilter> made(new HeldFilter, [this](HeldFilter* gone) {
    held_.erase(gone);
    delete gone;
  });
  made->text = filter.text();
  made->has_pattern = filter.has_pattern();
  made->charge = {memory_, MemoryKind::subscriptions, held_bytes + made->text.capacity()};
  held_.insert(made.get());
  return made;
}

const Expression& FilterTrees::find(const HeldFilterPointer& held) {
  const auto place = reinterpret_cast<std::uintptr_t>(held.get()) / sizeof(HeldFilter);
  Known& known = known_[place % known_.size()];
  if (known.held != held) {
    auto parsed = Expression::parse(held->text, filter_limits);
    PGTIDE_ASSERT(parsed.index() == 0);  // as it did when it was taken
    known = {held, std::move(std::get<0>(parsed))};
  }
  return *known.tree;
}

}  // namespace pgtide
