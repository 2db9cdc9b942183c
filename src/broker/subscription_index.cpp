#include "broker/subscription_index.hpp"

#include <array>
#include <cstdint>
#include <utility>

#include "pgtide/result.hpp"

namespace pgtide {
namespace {

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

}  // namespace

SubscriptionIndex::SubscriptionIndex(ScanLimits limits, MemoryAccount* memory)
    : remainders_(memory), budget_(limits), everyone_(std::make_unique<DeliveryClass>()) {}

std::size_t SubscriptionIndex::Hash::operator()(const Key& key) const {
  const std::array<std::uintptr_t, 4> words{
      reinterpret_cast<std::uintptr_t>(key.group), reinterpret_cast<std::uintptr_t>(key.rest),
      reinterpret_cast<std::uintptr_t>(key.lens), key.events * 2 + (key.filtered ? 1U : 0U)};
  return TextHash{}({reinterpret_cast<const char*>(words.data()), sizeof(words)});
}

SubscriptionIndex::Key SubscriptionIndex::key_of(const ClassGroup& group,
                                                 const ClassTraits& traits) {
  return {&group, traits.rest.get(), traits.lens.get(), traits.events.bits(), traits.filtered};
}

bool SubscriptionIndex::is_scanned_filter(const ClassTraits& traits) {
  if (!traits.filtered || !traits.rest) return false;
  // A regular expression is dear to keep, also where an index finds the rows that it looks at.
  if (traits.matching || traits.unindexed) return true;
  const Predicate& predicate = traits.rest->predicate();
  return predicate.outcome() == Predicate::Outcome::by_record && !predicate.terms_narrow();
}

void SubscriptionIndex::join(Seat& seat, ConnectionNumber connection, const Pattern& pattern,
                             ClassTraits traits) {
  std::unique_ptr<ClassGroup>& group = group_of(pattern);
  if (group == nullptr) group = std::make_unique<ClassGroup>(pattern);
  auto held = classes_.find(key_of(*group, traits));
  if (held == classes_.end()) {
    if (is_scanned_filter(traits)) ++collections_[pattern.collection].scanned_filters;
    auto made = std::make_unique<DeliveryClass>();
    made->traits = std::move(traits);
    group->add(*made);
    held = classes_.insert(std::move(made)).first;
  }
  (*held)->unpaid = false;
  sit_down(seat, **held, connection);
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

bool SubscriptionIndex::may_join(const Pattern& pattern, const ClassTraits& traits,
                                 std::size_t scanned_filters_max, const Seat* leaving) const {
  if (!is_scanned_filter(traits)) return true;
  // One of the same collection that is given up for it makes room.
  const DeliveryClass* left = leaving != nullptr ? leaving->in : nullptr;
  const bool makes_room =
      left != nullptr && left->members.size() == 1 && is_scanned_filter(left->traits);
  if (makes_room) ++scanned_filters_max;
  const auto node = collections_.find(pattern.collection);
  if (node == collections_.end()) return scanned_filters_max > 0;
  if (node->second.scanned_filters < scanned_filters_max) return true;
  const auto record = node->second.records.find(pattern.record_id);
  const bool whole = pattern.kind == Pattern::Kind::collection;
  const ClassGroup* group = whole ? node->second.whole.get() : nullptr;
  if (!whole && record != node->second.records.end()) group = record->second.get();
  return group != nullptr && classes_.contains(key_of(*group, traits));
}

void SubscriptionIndex::find(EventRows& rows, std::vector<Match>& found) {
  const Event& event = rows.event();
  if (event.to_everyone) {
    if (!everyone_->members.empty()) found.push_back({everyone_.get(), {false, true}});
    return;
  }
  if (everything_ != nullptr) everything_->match(rows, budget_, found);
  const auto node = collections_.find(std::string_view(event.collection));
  if (node == collections_.end()) return;
  if (node->second.whole != nullptr) node->second.whole->match(rows, budget_, found);
  if (event.action == Action::custom) return;
  const auto& records = node->second.records;
  if (event.action == Action::truncate || event.action == Action::schema_changed) {
    for (const auto& [id, group] : records) group->match(rows, budget_, found);
    return;
  }
  const auto record = records.find(std::string_view(event.record_id));
  if (record != records.end()) record->second->match(rows, budget_, found);
}

std::unique_ptr<ClassGroup>& SubscriptionIndex::group_of(const Pattern& pattern) {
  if (pattern.kind == Pattern::Kind::everything) return everything_;
  CollectionNode& node = collections_[pattern.collection];
  if (pattern.kind == Pattern::Kind::collection) return node.whole;
  return node.records[pattern.record_id];
}

void SubscriptionIndex::remove_class(DeliveryClass& gone) {
  ClassGroup& group = *gone.group;
  const Pattern pattern = group.pattern;
  if (is_scanned_filter(gone.traits)) --collections_[pattern.collection].scanned_filters;
  group.remove(gone);
  classes_.erase(classes_.find(key_of(group, gone.traits)));
  if (group.empty()) remove_group(pattern);
}

void SubscriptionIndex::remove_group(const Pattern& pattern) {
  if (pattern.kind == Pattern::Kind::everything) {
    everything_.reset();
    return;
  }
  const auto node = collections_.find(pattern.collection);
  if (pattern.kind == Pattern::Kind::record) {
    node->second.records.erase(pattern.record_id);
  } else {
    node->second.whole.reset();
  }
  if (node->second.empty()) collections_.erase(node);
}

}  // namespace pgtide
