#include "broker/fan_out.hpp"

#include <algorithm>
#include <memory>
#include <tuple>

#include "model/frame.hpp"
#include "model/server_message.hpp"

// Three steps, so that the dear ones are done once per class and not once per connection.
//
// 1. Match: each event finds its classes by hash and is noted in them ("picks"); its text is
//    written once. An event that nobody gets costs its look-ups, and no text.
// 2. Reach: the members of each touched class are walked. Where one class alone is touched (a table
//    in one statement, a thousand watchers) that is all: its run is built and shared.
// 3. Merge: a connection that is in several touched classes needs their frames in the stream's
//    order, an event that several of its patterns show once, with all of them in `patterns`. Such a
//    run is made once per distinct set of touched classes and shared by all connections with
//    that set. Classes that got nothing do not count: who holds "posts.*" and a record of its own
//    shares the run of "posts.*" as long as the record rests.
//
// (Rejected: a queue of single frames per connection, which costs as much per delivery as the whole
// of this costs per event; measured in ARCHITECTURE, "Write in bulk".)
namespace pgtide {
namespace {

const Projection whole_projection{};

// The order of a frame's `patterns`, and of notices: "*", "posts.*", then records by their text.
bool stands_before(const DeliveryClass& left, const DeliveryClass& right) {
  return std::tie(left.pattern.kind, left.text) < std::tie(right.pattern.kind, right.text);
}

}  // namespace

std::size_t FanOut::SetHash::operator()(const std::vector<std::uint32_t>& set) const {
  return TextHash{}({reinterpret_cast<const char*>(set.data()), set.size() * sizeof(set[0])});
}

std::span<const Delivery> FanOut::deliver(const Batch& batch, const Policy& policy,
                                          SubscriptionIndex& index) {
  forget();
  for (const Event& event : batch.events) {
    look_at(event, batch, policy);
    match(event, batch, index);
  }
  runs_.resize(touched_.size());
  if (touched_.size() == 1) {
    deliver_to_class(*touched_.front());
  } else if (!touched_.empty()) {
    deliver_to_classes();
  }
  for (DeliveryClass* touched : touched_) touched->picks.clear();
  return deliveries_;
}

void FanOut::forget() {
  ++batch_;
  looked_ = false;
  texts_.clear();
  unlisted_.clear();
  touched_.clear();
  runs_.clear();
  order_.clear();
  links_.clear();
  merged_.clear();
  deliveries_.clear();
}

// Events of one collection come in rows: it is looked up once for each of them.
void FanOut::look_at(const Event& event, const Batch& batch, const Policy& policy) {
  if (!looked_ || look_.name != event.collection) {
    look_ = {.name = event.collection,
             .projection = policy.projection(event.collection),
             .collection = batch.catalog->find(event.collection),
             .listed = policy.lists(event.collection)};
    looked_ = true;
  }
  const bool custom = event.action == Action::custom && !event.to_everyone;
  if (custom && !look_.listed) unlisted_.push_back(look_.name);
}

void FanOut::match(const Event& event, const Batch& batch, SubscriptionIndex& index) {
  const bool custom = event.action == Action::custom;
  const bool needs_no_rule = event.to_everyone || (custom && !look_.listed);
  const Projection* projection = needs_no_rule ? &whole_projection : look_.projection;
  if (projection == nullptr) return;
  found_.clear();
  index.find(event, found_);
  if (found_.empty()) return;
  const auto text = texts_.add({.event = &event,
                                .projection = projection,
                                .collection = look_.collection,
                                .cursor = batch.cursor_after(event)});
  if (!text) return;
  for (DeliveryClass* found : found_) {
    if (found->picks.empty()) touched_.push_back(found);
    found->picks.push_back(*text);
  }
}

void FanOut::deliver_to_class(const DeliveryClass& only) {
  const SharedRun& run = class_run(0);
  deliveries_.reserve(only.members.size());
  for (const auto& member : only.members) deliveries_.push_back({member.connection, run});
}

void FanOut::deliver_to_classes() {
  for (std::uint32_t i = 0; i < touched_.size(); ++i) {
    for (const auto& member : touched_[i]->members) reach(member.connection, i);
  }
  deliveries_.reserve(order_.size());
  for (const ConnectionNumber connection : order_) {
    const Reached& reached = reached_[connection];
    const bool one = reached.further == none;
    deliveries_.push_back({connection, one ? class_run(reached.first) : merged_run(reached)});
  }
}

void FanOut::reach(ConnectionNumber connection, std::uint32_t touched) {
  if (connection >= reached_.size()) reached_.resize(connection + 1);
  Reached& reached = reached_[connection];
  if (reached.batch != batch_) {
    reached = {.batch = batch_, .first = touched};
    order_.push_back(connection);
    return;
  }
  links_.push_back({touched, reached.further});
  reached.further = static_cast<std::uint32_t>(links_.size() - 1);
}

const SharedRun& FanOut::class_run(std::uint32_t touched) {
  SharedRun& run = runs_[touched];
  if (run) return run;
  picks_.clear();
  for (const std::uint32_t text : touched_[touched]->picks) {
    picks_.push_back({text, touched_[touched]});
  }
  run = make_run(picks_);
  return run;
}

const SharedRun& FanOut::merged_run(const Reached& reached) {
  set_.assign(1, reached.first);
  for (std::uint32_t at = reached.further; at != none; at = links_[at].next) {
    set_.push_back(links_[at].touched);
  }
  SharedRun& run = merged_[set_];
  if (run) return run;
  picks_.clear();
  for (const std::uint32_t touched : set_) {
    for (const std::uint32_t text : touched_[touched]->picks) {
      picks_.push_back({text, touched_[touched]});
    }
  }
  std::sort(picks_.begin(), picks_.end(), [](const Pick& left, const Pick& right) {
    if (left.text != right.text) return left.text < right.text;
    return stands_before(*left.shown_by, *right.shown_by);
  });
  run = make_run(picks_);
  return run;
}

// `picks` in the order of their texts.
SharedRun FanOut::make_run(std::span<const Pick> picks) {
  const auto run = std::make_shared<Run>();
  run->frames.reserve(bytes_of(picks));
  while (!picks.empty()) {
    std::size_t same = 1;
    while (same < picks.size() && picks[same].text == picks[0].text) ++same;
    run->events += append_frames(run->frames, picks.first(same));
    picks = picks.subspan(same);
  }
  return run;
}

// At least what the frames of `picks` take, so that a run is allocated once.
std::size_t FanOut::bytes_of(std::span<const Pick> picks) const {
  std::size_t bytes = 0;
  std::uint32_t counted = none;
  for (const Pick& pick : picks) {
    if (pick.text != counted) bytes += texts_.frame_bytes(pick.text) + frame_header_bytes_max;
    bytes += pick.shown_by->quoted.size() + 1;
    counted = pick.text;
  }
  return bytes;
}

// What one connection gets of one event: a frame that names all its patterns; or, where continuity
// is lost, a notice for each of them. How many frames that was.
std::size_t FanOut::append_frames(std::string& out, std::span<const Pick> same_text) {
  const std::uint32_t text = same_text[0].text;
  if (texts_.event(text).action == Action::schema_changed) {
    for (const Pick& pick : same_text) {
      append_text_frame(out, resync_message(pick.shown_by->text, ResyncReason::schema_changed));
    }
    return same_text.size();
  }
  if (same_text.size() == 1) {
    texts_.append_frame(out, text, same_text[0].shown_by->quoted);
    return 1;
  }
  patterns_.clear();
  for (const Pick& pick : same_text) {
    if (!patterns_.empty()) patterns_ += ',';
    patterns_ += pick.shown_by->quoted;
  }
  texts_.append_frame(out, text, patterns_);
  return 1;
}

}  // namespace pgtide
