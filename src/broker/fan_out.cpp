#include "broker/fan_out.hpp"

#include <algorithm>
#include <memory>
#include <tuple>

#include "model/frame.hpp"
#include "model/server_message.hpp"

// Three steps, so that the dear ones are done once per class and not once per connection.
//
// 1. Match: each event finds its classes by hash, and what their rules and filters say of its old
//    and its new row, and is noted in them ("picks"); its text is written once for each way in
//    which it is seen. An event that nobody gets costs its look-ups, and no text.
// 2. Reach: the members of each touched class are walked. Where one class alone is touched (a table
//    in one statement, a thousand watchers) that is all: its run is built and shared.
// 3. Merge: a connection that is in several touched classes needs their frames in the stream's
//    order, an event that several of its patterns show once, with all of them in `patterns`, and
//    `action` by what they see together: what one pattern shows anew, another may have shown. Such
//    a run is made once per distinct set of touched classes and shared by all connections with that
//    set. Classes that got nothing do not count: who holds "posts.*" and a record of its own shares
//    the run of "posts.*" as long as the record rests.
//
// (Rejected: a queue of single frames per connection, which costs as much per delivery as the whole
// of this costs per event; measured in ARCHITECTURE, "Write in bulk".)
namespace pgtide {
namespace {

constexpr std::size_t picks_kept = 65'536;

const Projection whole_projection{};

// The order of a frame's `patterns`, and of notices: "*", "posts.*", then records by their text.
bool stands_before(const DeliveryClass& left, const DeliveryClass& right) {
  return std::tie(left.pattern().kind, left.text()) <
         std::tie(right.pattern().kind, right.text());
}

bool changes_row(Action action) {
  return action == Action::create || action == Action::update || action == Action::delete_;
}

// Has the row these columns, and no others? A partition may have them in another order.
bool has_columns(const Row& row, const Collection& table) {
  const auto& members = row.members();
  const auto& columns = table.columns;
  if (members.size() != columns.size()) return false;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (members[i].column != columns[i] && row.find(columns[i]) == nullptr) return false;
  }
  return true;
}

// What an event is to who sees its rows like this.
Action action_of(const Event& event, Visible visible) {
  if (!changes_row(event.action)) return event.action;
  if (!visible.after) return Action::delete_;
  return visible.before ? Action::update : Action::create;
}

}  // namespace

std::size_t FanOut::SetHash::operator()(const std::vector<std::uint32_t>& set) const {
  return TextHash{}({reinterpret_cast<const char*>(set.data()), set.size() * sizeof(set[0])});
}

std::span<const Delivery> FanOut::deliver(const Batch& batch, const Policy& policy,
                                          SubscriptionIndex& index) {
  const auto begun = now();
  forget(batch);
  policy_ = &policy;
  for (std::uint32_t i = 0; i < batch.events.size(); ++i) {
    look_at(batch.events[i]);
    events_.push_back(&batch.events[i]);
    if (is_strange()) estrange(i);
    match(i, index);
  }
  const auto matched = now();
  if (touched_.size() == 1) {
    deliver_to_class(*touched_.front().in);
  } else if (!touched_.empty()) {
    deliver_to_classes();
  }
  times_ = {matched - begun, now() - matched};
  return deliveries_;
}

void FanOut::forget(const Batch& batch) {
  ++batch_;
  now_ = &batch;
  looked_ = false;
  texts_.clear();
  projections_.clear();
  unlisted_.clear();
  notices_.clear();
  events_.clear();
  estranged_.clear();
  first_variants_.assign(batch.events.size(), none);
  variants_.clear();
  touched_.clear();
  picks_.clear();
  if (picks_.capacity() > picks_kept) picks_.shrink_to_fit();
  order_.clear();
  links_.clear();
  merged_.clear();
  deliveries_.clear();
}

// Events of one collection come in rows: it is looked up once for each of them.
void FanOut::look_at(const Event& event) {
  if (!looked_ || look_.name != event.collection) {
    look_ = {.name = event.collection,
             .projection = policy_->projection(event.collection, {}),
             .collection = policy_->catalog().find(event.collection),
             .shape = policy_->shape(event.collection),
             .listed = policy_->lists(event.collection),
             .goes_by_columns = policy_->goes_by_columns(event.collection)};
    projections_.push_back(look_.projection);
    looked_ = true;
  }
  of_another_table_ = event.collection_id != 0 &&
                      (look_.collection == nullptr || look_.collection->id != event.collection_id);
  const bool custom = event.action == Action::custom;
  if (custom && !event.to_everyone && !look_.listed) unlisted_.push_back(look_.name);
  rows_.look_at(event, custom ? nullptr : look_.shape);
}

// A row whose columns are not the catalog's, under a rule that goes by their names: it was written
// before its table was altered, or the catalog is older than it. What a name means there, nobody
// knows.
bool FanOut::is_strange() {
  if (!look_.goes_by_columns || look_.collection == nullptr) return false;
  if (!changes_row(rows_.event().action)) return false;
  const Row* new_row = rows_.new_row();
  const Row* old_row = rows_.old_row();
  return (new_row != nullptr && !has_columns(*new_row, *look_.collection)) ||
         (old_row != nullptr && !has_columns(*old_row, *look_.collection));
}

// Instead of the first such row of the batch its subscribers are told to read anew, and instead of
// the others nothing.
void FanOut::estrange(std::uint32_t event) {
  const Event& row = rows_.event();
  const bool first = std::find(estranged_.begin(), estranged_.end(), row.collection) ==
                     estranged_.end();
  if (first) estranged_.push_back(row.collection);
  notices_.push_back({.id = row.id,
                      .action = Action::schema_changed,
                      .collection_id = row.collection_id,
                      .collection = first ? row.collection : std::string(),
                      .timestamp = row.timestamp});
  events_[event] = &notices_.back();
  look_at(notices_.back());
}

// Null where the class sees nothing of the collection.
const Projection* FanOut::projection_of(const DeliveryClass& seen_by) const {
  if (of_another_table_) return nullptr;
  const Event& event = rows_.event();
  const bool needs_no_rule =
      event.to_everyone || (event.action == Action::custom && !look_.listed);
  if (needs_no_rule) return &whole_projection;
  if (seen_by.traits.lens != nullptr) {
    const Projection* own = seen_by.traits.lens->find(look_.name);
    if (own != nullptr) return own;
  }
  return look_.projection.get();
}

void FanOut::match(std::uint32_t event, SubscriptionIndex& index) {
  found_.clear();
  index.find(rows_, found_);
  for (const Match& match : found_) {
    DeliveryClass& in = *match.in;
    const Action action = action_of(rows_.event(), match.visible);
    const Projection* projection = projection_of(in);
    if (projection == nullptr || (in.group != nullptr && !in.wants(action))) continue;
    const std::uint32_t text = text_of(
        event,
        {.action = action, .projection = projection, .collection = look_.collection});
    note(in, {event, text, match.visible, projection});
  }
}

void FanOut::note(DeliveryClass& in, const Pick& pick) {
  const auto place = static_cast<std::uint32_t>(picks_.size());
  picks_.push_back({pick});
  if (in.touched_in != batch_) {
    in.touched_in = batch_;
    in.touched = static_cast<std::uint32_t>(touched_.size());
    touched_.push_back({&in, place, place});
    return;
  }
  Touched& touched = touched_[in.touched];
  picks_[touched.last].next = place;
  touched.last = place;
}

void FanOut::append_showings(const Touched& touched) {
  for (std::uint32_t at = touched.first; at != none; at = picks_[at].next) {
    showings_.push_back({picks_[at].pick, touched.in});
  }
}

// Written when first asked for; `none` where nothing is to be seen in this way.
std::uint32_t FanOut::text_of(std::uint32_t event, SeenEvent seen) {
  std::uint32_t* end = &first_variants_[event];
  for (; *end != none; end = &variants_[*end].next) {
    const Variant& variant = variants_[*end];
    const bool same = variant.projection == seen.projection && variant.action == seen.action;
    if (same && variant.unchanged == seen.unchanged) return variant.text;
  }
  seen.event = events_[event];
  seen.cursor = now_->cursor_after(*seen.event);
  const auto text = texts_.add(seen, rows_);
  *end = static_cast<std::uint32_t>(variants_.size());
  variants_.push_back(
      {seen.projection, seen.action, seen.unchanged, text.value_or(none), none});
  return variants_.back().text;
}

void FanOut::deliver_to_class(const DeliveryClass& only) {
  const SharedRun& run = class_run(0);
  if (run->frames.empty()) return;
  deliveries_.reserve(only.members.size());
  for (const auto& member : only.members) deliveries_.push_back({member.connection, run});
}

void FanOut::deliver_to_classes() {
  for (std::uint32_t i = 0; i < touched_.size(); ++i) {
    for (const auto& member : touched_[i].in->members) reach(member.connection, i);
  }
  deliveries_.reserve(order_.size());
  for (const ConnectionNumber connection : order_) {
    const Reached& reached = reached_[connection];
    const bool one = reached.further == none;
    const SharedRun& run = one ? class_run(reached.first) : merged_run(reached);
    if (!run->frames.empty()) deliveries_.push_back({connection, run});
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
  Touched& only = touched_[touched];
  if (only.run) return only.run;
  showings_.clear();
  append_showings(only);
  only.run = make_run(showings_);
  return only.run;
}

const SharedRun& FanOut::merged_run(const Reached& reached) {
  set_.assign(1, reached.first);
  for (std::uint32_t at = reached.further; at != none; at = links_[at].next) {
    set_.push_back(links_[at].touched);
  }
  SharedRun& run = merged_[set_];
  if (run) return run;
  showings_.clear();
  for (const std::uint32_t touched : set_) append_showings(touched_[touched]);
  std::sort(showings_.begin(), showings_.end(), [](const Showing& left, const Showing& right) {
    if (left.pick.event != right.pick.event) return left.pick.event < right.pick.event;
    return stands_before(*left.by, *right.by);
  });
  run = make_run(showings_);
  return run;
}

// `showings` in the order of their events.
SharedRun FanOut::make_run(std::span<const Showing> showings) {
  const auto run = std::make_shared<Run>();
  run->frames.reserve(bytes_of(showings));
  while (!showings.empty()) {
    std::size_t same = 1;
    while (same < showings.size() && showings[same].pick.event == showings[0].pick.event) ++same;
    run->events += append_frames(run->frames, showings.first(same));
    showings = showings.subspan(same);
  }
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
