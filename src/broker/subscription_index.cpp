#include "broker/subscription_index.hpp"

#include <algorithm>
#include <utility>

#include "model/server_message.hpp"

namespace pgtide {
namespace {

std::unique_ptr<DeliveryClass> make_class(const Pattern& pattern, ActionSet events) {
  auto made = std::make_unique<DeliveryClass>();
  made->pattern = pattern;
  made->text = to_string(pattern);
  made->quoted = json_string(made->text);
  made->events = events;
  return made;
}

void sit_down(Seat& seat, DeliveryClass& in, ConnectionNumber connection) {
  PGTIDE_ASSERT(seat.in == nullptr);
  seat = {&in, in.members.size()};
  in.members.push_back({connection, &seat});
}

// The last member moves to the place that becomes free.
void stand_up(Seat& seat) {
  auto& members = seat.in->members;
  members[seat.at] = members.back();
  members[seat.at].seat->at = seat.at;
  members.pop_back();
  seat = {};
}

template <class Group>
void append_wanting(const Group& group, Action action, std::vector<DeliveryClass*>& found) {
  for (const auto& candidate : group) {
    if (candidate->wants(action)) found.push_back(candidate.get());
  }
}

}  // namespace

SubscriptionIndex::SubscriptionIndex() : everyone_(std::make_unique<DeliveryClass>()) {}

void SubscriptionIndex::join(Seat& seat, ConnectionNumber connection, const Pattern& pattern,
                             ActionSet events) {
  Group& group = group_of(pattern);
  auto found = std::find_if(group.begin(), group.end(),
                            [events](const auto& in) { return in->events == events; });
  if (found == group.end()) found = group.insert(found, make_class(pattern, events));
  sit_down(seat, **found, connection);
}

void SubscriptionIndex::join_everyone(Seat& seat, ConnectionNumber connection) {
  sit_down(seat, *everyone_, connection);
}

void SubscriptionIndex::leave(Seat& seat) {
  if (seat.in == nullptr) return;
  DeliveryClass& left = *seat.in;
  stand_up(seat);
  if (left.members.empty() && &left != everyone_.get()) remove_class(left);
}

void SubscriptionIndex::find(const Event& event, std::vector<DeliveryClass*>& found) {
  if (event.to_everyone) {
    if (!everyone_->members.empty()) found.push_back(everyone_.get());
    return;
  }
  append_wanting(everything_, event.action, found);
  const auto node = collections_.find(std::string_view(event.collection));
  if (node == collections_.end()) return;
  append_wanting(node->second.whole, event.action, found);
  if (event.action == Action::custom) return;
  const auto& records = node->second.records;
  if (event.action == Action::truncate || event.action == Action::schema_changed) {
    for (const auto& [id, group] : records) append_wanting(group, event.action, found);
    return;
  }
  const auto record = records.find(std::string_view(event.record_id));
  if (record != records.end()) append_wanting(record->second, event.action, found);
}

SubscriptionIndex::Group& SubscriptionIndex::group_of(const Pattern& pattern) {
  if (pattern.kind == Pattern::Kind::everything) return everything_;
  CollectionNode& node = collections_[pattern.collection];
  if (pattern.kind == Pattern::Kind::collection) return node.whole;
  return node.records[pattern.record_id];
}

void SubscriptionIndex::remove_class(DeliveryClass& empty) {
  const Pattern pattern = std::move(empty.pattern);
  Group& group = group_of(pattern);
  std::erase_if(group, [&empty](const auto& in) { return in.get() == &empty; });
  if (pattern.kind == Pattern::Kind::everything || !group.empty()) return;
  CollectionNode& node = collections_[pattern.collection];
  if (pattern.kind == Pattern::Kind::record) node.records.erase(pattern.record_id);
  if (node.whole.empty() && node.records.empty()) collections_.erase(pattern.collection);
}

}  // namespace pgtide
