#include "broker/fan_out.hpp"

#include <algorithm>
#include <memory>
#include <span>
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
// Runs are made, given away and let go of class by class, the sets that begin with a class after
// it: what a crowd of classes gets out of one statement is never there at the same time, but where
// readers have not fetched it. What is there for all classes at once is their picks; so a batch is
// taken in stretches, each of which ends once its picks stand for `stretch_bytes` of frames.
//
// (Rejected: a queue of single frames per connection, which costs as much per delivery as the whole
// of this costs per event; measured in ARCHITECTURE, "Write in bulk".)
namespace pgtide {
namespace {

constexpr std::size_t picks_kept = 65'536;
constexpr std::size_t sets_kept = 64;

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

}  // namespace

Action action_of(const Event& event, Visible visible) {
  if (!changes_row(event.action)) return event.action;
  if (!visible.after) return Action::delete_;
  return visible.before ? Action::update : Action::create;
}

std::size_t FanOut::SetHash::operator()(const std::vector<std::uint32_t>& set) const {
  return TextHash{}({reinterpret_cast<const char*>(set.data()), set.size() * sizeof(set[0])});
}

std::size_t FanOut::deliver(const Batch& batch, std::size_t from, const Audience& to) {
  const auto begun = now();
  forget(batch);
  policy_ = &to.policy;
  if (clock_) to.index.budget().begin(begun);
  std::size_t end = from;
  for (; end < batch.events.size() && stretch_bytes_ < stretch_bytes_max_; ++end) {
    const auto event = static_cast<std::uint32_t>(events_.size());
    look_at(batch.events[end]);
    events_.push_back(&batch.events[end]);
    first_variants_.push_back(none);
    if (is_strange()) estrange(event);
    match(event, to.index);
  }
  const auto matched = now();
  times_ = {.match = matched - begun};
  if (touched_.size() == 1) {
    deliver_to_class(*touched_.front().in, to.send);
  } else if (!touched_.empty()) {
    deliver_to_classes(to.send);
  }
  times_.send = now() - matched - times_.encode;
  return end;
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
  first_variants_.clear();
  variants_.clear();
  touched_.clear();
  picks_.clear();
  if (picks_.capacity() > picks_kept) picks_.shrink_to_fit();
  order_.clear();
  links_.clear();
  stretch_bytes_ = 0;
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

// Instead of the first such row of the stretch its subscribers are told to read anew, and instead
// of the others nothing.
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
  const std::size_t bytes = pick.text == none ? 0 : texts_.frame_bytes(pick.text);
  // Of one class all members share a run; of several each may get one of its own.
  const bool shared = touched_.size() < 2 && (touched_.empty() || touched_[0].in == &in);
  stretch_bytes_ += sizeof(ChainedPick) + bytes * (shared ? 1 : in.members.size());
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

void FanOut::deliver_to_class(const DeliveryClass& only, const Broker::Send& send) {
  const SharedRun run = class_run(0);
  if (run->frames.empty()) return;
  for (const auto& member : only.members) send({member.connection, run});
}

// A connection stands where the first of its classes put it, so that all who share that one stand
// side by side.
void FanOut::deliver_to_classes(const Broker::Send& send) {
  for (std::uint32_t i = 0; i < touched_.size(); ++i) {
    for (const auto& member : touched_[i].in->members) reach(member.connection, i);
  }
  for (auto at = order_.begin(); at != order_.end();) {
    const std::uint32_t first = reached_[*at].first;
    const auto end = std::find_if(at, order_.end(), [&](ConnectionNumber connection) {
      return reached_[connection].first != first;
    });
    deliver_to_those({at, end}, send);
    at = end;
  }
}

void FanOut::deliver_to_those(std::span<const ConnectionNumber> same_first,
                              const Broker::Send& send) {
  waiting_.clear();
  if (sets_.size() > sets_kept) decltype(sets_)().swap(sets_);  // clear() visits all buckets
  sets_.clear();
  SharedRun run;
  for (const ConnectionNumber connection : same_first) {
    if (reached_[connection].further != none) {
      wait_for_set(connection);
      continue;
    }
    if (!run) run = class_run(reached_[connection].first);
    if (!run->frames.empty()) send({connection, run});
  }
  for (const auto& [set, last] : sets_) {
    run = nullptr;  // before the next one takes its memory
    run = merged_run(set);
    if (run->frames.empty()) continue;
    for (std::uint32_t at = last; at != none; at = waiting_[at].next) {
      send({waiting_[at].connection, run});
    }
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

// Several classes reach it: it waits among those whom the same ones reach.
void FanOut::wait_for_set(ConnectionNumber connection) {
  const Reached& reached = reached_[connection];
  set_.assign(1, reached.first);
  for (std::uint32_t at = reached.further; at != none; at = links_[at].next) {
    set_.push_back(links_[at].touched);
  }
  const auto [held, fresh] = sets_.try_emplace(set_, none);
  waiting_.push_back({connection, held->second});
  held->second = static_cast<std::uint32_t>(waiting_.size() - 1);
}

SharedRun FanOut::class_run(std::uint32_t touched) {
  showings_.clear();
  append_showings(touched_[touched]);
  return make_run(showings_);
}

SharedRun FanOut::merged_run(const std::vector<std::uint32_t>& set) {
  showings_.clear();
  for (const std::uint32_t touched : set) append_showings(touched_[touched]);
  std::sort(showings_.begin(), showings_.end(), [](const Showing& left, const Showing& right) {
    if (left.pick.event != right.pick.event) return left.pick.event < right.pick.event;
    return stands_before(*left.by, *right.by);
  });
  return make_run(showings_);
}

}  // namespace pgtide
