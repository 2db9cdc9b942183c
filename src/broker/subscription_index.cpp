#include "broker/subscription_index.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "pgtide/result.hpp"

namespace pgtide {
namespace {

void sit_down(Seat& seat, DeliveryClass& in, ConnectionNumber connection) {
  PGTIDE_ASSERT(seat.in == nullptr);
  seat = {&in, static_cast<std::uint32_t>(in.members.size())};
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
    : memory_(memory),
      remainders_(memory),
      budget_(limits),
      everyone_(std::make_unique<DeliveryClass>()) {}

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

// Is its filter asked of rows, and so paid for by those who hold it?
bool SubscriptionIndex::is_paid_for(const DeliveryClass& in) {
  return in.traits.filtered && in.traits.rest != nullptr && !in.terms_suffice;
}

void SubscriptionIndex::join(Seat& seat, ConnectionNumber connection, const Pattern& pattern,
                             ClassTraits traits) {
  std::unique_ptr<ClassGroup>& group = group_of(pattern);
  if (group == nullptr) group = std::make_unique<ClassGroup>(pattern, memory_);
  auto held = classes_.find(key_of(*group, traits));
  if (held == classes_.end()) {
    auto made = std::make_unique<DeliveryClass>();
    made->traits = std::move(traits);
    group->add(*made);
    held = classes_.insert(std::move(made)).first;
  }
  DeliveryClass& in = **held;
  if (in.holder == DeliveryClass::nobody && is_scanned_filter(in.traits)) {
    in.holder = connection;
    collections_[pattern.collection].scanned_filters.add(holder_of(connection), in);
  }
  in.unpaid = false;
  sit_down(seat, in, connection);
  if (is_paid_for(in)) budget_.take_seat(connection);
}

void SubscriptionIndex::join_everyone(Seat& seat, ConnectionNumber connection) {
  sit_down(seat, *everyone_, connection);
}

void SubscriptionIndex::leave(Seat& seat) {
  if (seat.in == nullptr) return;
  DeliveryClass& left = *seat.in;
  const ConnectionNumber leaving = left.members[seat.at].connection;
  stand_up(seat);
  if (&left == everyone_.get()) return;
  if (is_paid_for(left)) budget_.leave_seat(leaving);
  if (is_scanned_filter(left.traits)) pass_on(left, leaving);
  if (left.members.empty()) remove_class(left);
}

// Who leaves a scanned filter to others leaves them its place among those that are counted, too.
// Where none of them may have it the filter ends, or two addresses could pass each other all there
// are.
void SubscriptionIndex::pass_on(DeliveryClass& left, ConnectionNumber leaving) {
  if (left.holder != leaving) return;
  ScanQuota& quota = collections_.find(left.pattern().collection)->second.scanned_filters;
  const ScanQuota::Holder former = holder_of(leaving);
  quota.remove(former, left);
  if (left.members.empty()) return;
  const auto takes_it = [&](const DeliveryClass::Member& member) {
    const ScanQuota::Holder next = holder_of(member.connection);
    return next.origin == former.origin || quota.has_share(next, budget_.limits().scanned_filters);
  };
  // All of them are looked at: others decide who stands first, and none who has a share loses it.
  const auto end = left.members.end();
  const auto next = std::find_if(left.members.begin(), end, takes_it);
  left.holder = (next != end ? *next : left.members.front()).connection;
  quota.add(holder_of(left.holder), left);
  if (next != end) return;
  for (const DeliveryClass::Member& member : left.members) {
    budget_.end(member, ScanBudget::Shortage::places);
  }
}

bool SubscriptionIndex::is_in(const Seat& seat, const ClassTraits& traits) {
  const ClassTraits& held = seat.in->traits;
  return key_of(*seat.in->group, held) == key_of(*seat.in->group, traits) &&
         held.matching == traits.matching && held.unindexed == traits.unindexed;
}

bool SubscriptionIndex::may_join(const Candidate& candidate) {
  const std::size_t max = budget_.limits().scanned_filters;
  if (!is_scanned_filter(candidate.traits)) return true;
  // One of the same pattern that is given up for it makes room.
  const DeliveryClass* left = candidate.leaving != nullptr ? candidate.leaving->in : nullptr;
  const bool makes_room =
      left != nullptr && left->members.size() == 1 && left->holder == candidate.connection;
  if (makes_room) return true;
  const auto node = collections_.find(candidate.pattern.collection);
  if (node == collections_.end()) return max > 0;
  if (is_held(candidate.pattern, candidate.traits)) return true;
  ScanQuota& quota = node->second.scanned_filters;
  const ScanQuota::Holder holder = holder_of(candidate.connection);
  return quota.has_room(holder, max) || reclaim(quota, holder);
}

// Is there a place for him, if need be one that somebody has beyond his share?
bool SubscriptionIndex::reclaim(ScanQuota& quota, ScanQuota::Holder holder) {
  const std::size_t max = budget_.limits().scanned_filters;
  if (quota.is_short(holder, max) && !quota.is_full(max)) return true;
  // One that others share may stay, and count for them: then the next is looked at.
  constexpr int looks = 16;
  for (int look = 0; look < looks; ++look) {
    const std::vector<ScanQuota::Place> excess = quota.excess(holder, max);
    if (excess.empty()) return false;
    if (take_place(quota, excess.back())) return true;
  }
  return false;
}

// The filter ends for its members, unless one of another address has room for it in its share.
bool SubscriptionIndex::take_place(ScanQuota& quota, const ScanQuota::Place& place) {
  DeliveryClass& in = *place.in;
  const ScanQuota::Holder former = holder_of(place.connection);
  quota.remove(former, in);
  const auto next = std::find_if(in.members.begin(), in.members.end(), [&](const auto& member) {
    const ScanQuota::Holder other = holder_of(member.connection);
    return other.origin != former.origin &&
           quota.is_short(other, budget_.limits().scanned_filters);
  });
  if (next != in.members.end()) {
    in.holder = next->connection;
    quota.add(holder_of(in.holder), in);
    return false;
  }
  in.holder = DeliveryClass::nobody;
  for (const DeliveryClass::Member& member : in.members) {
    budget_.end(member, ScanBudget::Shortage::share);
  }
  return true;
}

bool SubscriptionIndex::is_held(const Pattern& pattern, const ClassTraits& traits) const {
  const auto node = collections_.find(pattern.collection);
  const auto record = node->second.records.find(pattern.record_id);
  const bool whole = pattern.kind == Pattern::Kind::collection;
  const ClassGroup* group = whole ? node->second.whole.get() : nullptr;
  if (!whole && record != node->second.records.end()) group = record->second.get();
  if (group == nullptr) return false;
  const auto held = classes_.find(key_of(*group, traits));
  return held != classes_.end() && (*held)->holder != DeliveryClass::nobody;
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
