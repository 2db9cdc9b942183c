#include <algorithm>
#include <memory>
#include <span>

#include "broker/fan_out.hpp"
#include "model/frame.hpp"
#include "model/server_message.hpp"

// How FanOut puts the texts of events together to runs of frames.
namespace pgtide {

// `showings` in the order of their events.
SharedRun FanOut::make_run(std::span<const Showing> showings) {
  const auto begun = now();
  const auto run = std::make_shared<Run>();
  run->frames.reserve(bytes_of(showings));
  while (!showings.empty()) {
    std::size_t same = 1;
    while (same < showings.size() && showings[same].pick.event == showings[0].pick.event) ++same;
    run->events += append_frames(run->frames, showings.first(same));
    showings = showings.subspan(same);
  }
  run->charge = {memory_, MemoryKind::frames, sizeof(Run) + run->frames.capacity()};
  times_.encode += now() - begun;
  return run;
}

// At least what the frames take where no two patterns differ about an event, so that a run is
// allocated once.
std::size_t FanOut::bytes_of(std::span<const Showing> showings) const {
  std::size_t bytes = 0;
  std::uint32_t counted = none;
  for (const auto& [pick, by] : showings) {
    if (pick.text == none) continue;
    if (pick.text != counted) bytes += texts_.frame_bytes(pick.text) + frame_header_bytes_max;
    if (by->group != nullptr) bytes += by->quoted().size() + 1;
    counted = pick.text;
  }
  return bytes;
}

// What one connection gets of one event: a frame that names all its patterns; or, where continuity
// is lost, a notice for each of them. How many frames that was.
std::size_t FanOut::append_frames(std::string& out, std::span<const Showing> same_event) {
  const Event& event = *events_[same_event[0].pick.event];
  if (event.action == Action::schema_changed) {
    for (const Showing& showing : same_event) {
      append_text_frame(out, resync_message(showing.by->text(), ResyncReason::schema_changed));
    }
    return same_event.size();
  }
  if (event.action != Action::custom) return append_change(out, same_event) ? 1 : 0;
  const std::uint32_t text = same_event[0].pick.text;
  if (text == none) return 0;
  texts_.append_frame(out, text, {});
  return 1;
}

// False where nothing is to be seen.
bool FanOut::append_change(std::string& out, std::span<const Showing> same_event) {
  const Pick& first = same_event[0].pick;
  const Event& event = *events_[first.event];
  Visible together{};
  bool alike = true;
  for (const Showing& showing : same_event) {
    together.before |= showing.pick.visible.before;
    together.after |= showing.pick.visible.after;
    alike = alike && showing.pick.text == first.text;
  }
  const Action action = action_of(event, together);
  std::uint32_t text = first.text;
  if (!alike) {
    // One pattern at least gains or loses the row: that is told though all that is seen rests.
    rows_.look_at(event, nullptr);
    text = text_of(first.event, {.action = action,
                                 .projection = first.projection,
                                 .collection = policy_->catalog().find(event.collection),
                                 .unchanged = true});
  }
  if (text == none) return false;
  list_patterns(same_event, action);
  texts_.append_frame(out, text, patterns_);
  return true;
}

// The patterns that show the row, for a delete those that showed it; then those that no longer do.
void FanOut::list_patterns(std::span<const Showing> same_event, Action action) {
  patterns_.clear();
  const auto list = [&](auto&& is_listed) {
    bool first = true;
    for (const auto& [pick, by] : same_event) {
      if (!is_listed(pick.visible)) continue;
      if (!first) patterns_ += ',';
      first = false;
      patterns_ += by->quoted();
    }
    return !first;
  };
  if (action == Action::delete_) {
    list([](Visible visible) { return visible.before; });
    return;
  }
  list([](Visible visible) { return visible.after; });
  const auto has_left = [](Visible visible) { return visible.before && !visible.after; };
  const bool any_left = std::any_of(same_event.begin(), same_event.end(), [&](const Showing& s) {
    return has_left(s.pick.visible);
  });
  if (action != Action::update || !any_left) return;
  patterns_ += "],\"left\":[";
  list(has_left);
}

}  // namespace pgtide
