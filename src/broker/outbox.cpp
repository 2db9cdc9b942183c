#include "broker/outbox.hpp"

#include <utility>

#include "model/frame.hpp"
#include "pgtide/result.hpp"

// The stream is a queue of items; a run is never copied into it, only shared. Only the item at the
// front can be half on the wire, so only there does it matter where its frames start, and that is
// looked for in two cases only: a control frame wants to overtake, or the backlog is dropped. The
// usual case, a run written whole with one send, never looks at a frame. (Rejected: a queue of
// single frames, which needs no looking, and costs an entry per event and connection.)
namespace pgtide {

// Moves `boundary` to the first frame start at or after `at`.
void Outbox::Item::find_boundary() {
  while (boundary < at) boundary += frame_size_at(text().substr(boundary));
}

Outbox::Outbox(std::size_t backlog_bytes_max) : backlog_bytes_max_(backlog_bytes_max) {}

bool Outbox::push_run(SharedRun run) {
  PGTIDE_ASSERT(run && !run->frames.empty());
  const std::size_t size = run->frames.size();
  if (!behind_ && run_bytes_ != 0 && run_bytes_ + size > backlog_bytes_max_) fall_behind();
  if (behind_) {
    dropped_events_ += run->events;
    return false;
  }
  run_bytes_ += size;
  items_.push_back({.run = std::move(run), .end = size});
  return true;
}

void Outbox::push_reply(std::string frames) {
  if (frames.empty()) return;
  const std::size_t size = frames.size();
  reply_bytes_ += size;
  items_.push_back({.own = std::move(frames), .reply = true, .end = size});
}

void Outbox::push_control(std::string frame, std::size_t ticket) {
  PGTIDE_ASSERT(!frame.empty() && ticket != 0);
  if (!items_.empty()) items_.front().find_boundary();
  controls_.push_back({std::move(frame), ticket});
}

bool Outbox::empty() const {
  return items_.empty() && controls_.empty();
}

// A control frame is next unless it would cut the frame that is half written.
bool Outbox::control_is_next() const {
  if (controls_.empty()) return false;
  if (controls_.front().at > 0 || items_.empty()) return true;
  return items_.front().boundary <= items_.front().at;
}

std::string_view Outbox::front() const {
  if (control_is_next()) {
    const Control& control = controls_.front();
    return std::string_view(control.frame).substr(control.at);
  }
  if (items_.empty()) return {};
  const Item& item = items_.front();
  const std::size_t end = controls_.empty() ? item.end : item.boundary;
  return item.text().substr(item.at, end - item.at);
}

std::size_t Outbox::consume(std::size_t bytes) {
  PGTIDE_ASSERT(bytes <= front().size());
  if (bytes == 0) return 0;
  if (control_is_next()) return consume_control(bytes);
  Item& item = items_.front();
  item.at += bytes;
  (item.reply ? reply_bytes_ : run_bytes_) -= bytes;
  if (item.at < item.end) return 0;
  if (!item.reply && !item.run) rest_bytes_ = 0;
  items_.pop_front();
  return 0;
}

std::size_t Outbox::consume_control(std::size_t bytes) {
  Control& control = controls_.front();
  control.at += bytes;
  if (control.at < control.frame.size()) return 0;
  const std::size_t ticket = control.ticket;
  controls_.erase(controls_.begin());
  return ticket;
}

bool Outbox::take_recovered() {
  if (!behind_ || !empty()) return false;
  behind_ = false;
  return true;
}

// Drops every event but the rest of a frame that is half written; replies stay, in order.
void Outbox::fall_behind() {
  behind_ = true;
  std::deque<Item> kept;
  for (Item& item : items_) {
    if (item.run) cut_at_boundary(item);
    if (item.at < item.end) kept.push_back(std::move(item));
  }
  items_.swap(kept);
}

std::size_t Outbox::shed_bytes() const {
  std::size_t bytes = behind_ ? 0 : items_.size() * sizeof(Item);
  for (const Item& item : items_) {
    if (!item.run) continue;
    bytes += item.run->frames.size() / static_cast<std::size_t>(item.run.use_count());
  }
  return bytes;
}

bool Outbox::give_up_backlog() {
  if (behind_ || run_bytes_ == 0) return false;
  fall_behind();
  return true;
}

void Outbox::cut_at_boundary(Item& item) {
  item.find_boundary();
  run_bytes_ -= item.end - item.boundary;
  for (std::size_t at = item.boundary; at < item.end; ++dropped_events_) {
    at += frame_size_at(item.text().substr(at));
  }
  item.end = item.boundary;
  if (item.at < item.end) keep_rest(item);
}

// There is one at most: of the run that is half on the wire.
void Outbox::keep_rest(Item& item) {
  item.own = item.text().substr(item.at, item.end - item.at);
  item.run = nullptr;
  item.at = 0;
  item.end = item.boundary = rest_bytes_ = item.own.size();
}

}  // namespace pgtide
