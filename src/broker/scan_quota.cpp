#include "broker/scan_quota.hpp"

#include <algorithm>
#include <set>

namespace pgtide {

void ScanQuota::add(Holder holder, DeliveryClass& in) {
  ++all_;
  ++by_connection_[holder.connection];
  by_origin_[holder.origin].push_back({holder.connection, &in});
}

void ScanQuota::remove(Holder holder, const DeliveryClass& in) {
  --all_;
  const auto of_connection = by_connection_.find(holder.connection);
  if (--of_connection->second == 0) by_connection_.erase(of_connection);
  const auto of_origin = by_origin_.find(holder.origin);
  auto& places = of_origin->second;
  places.erase(std::find_if(places.begin(), places.end(),
                            [&in](const Place& place) { return place.in == &in; }));
  if (places.empty()) by_origin_.erase(of_origin);
}

std::size_t ScanQuota::count(OriginNumber origin) const {
  const auto found = by_origin_.find(origin);
  return found != by_origin_.end() ? found->second.size() : 0;
}

std::size_t ScanQuota::count_of(ConnectionNumber connection) const {
  const auto found = by_connection_.find(connection);
  return found != by_connection_.end() ? found->second : 0;
}

bool ScanQuota::has_room(Holder holder, std::size_t max) const {
  const std::size_t free = max - std::min(all_, max);
  const std::size_t of_origin = count(holder.origin);
  if (of_origin >= free) return false;
  return count_of(holder.connection) < free - of_origin;
}

// Of an address, among all that hold places or, as this one, would. One alone leaves half.
std::size_t ScanQuota::share(OriginNumber origin, std::size_t max) const {
  const std::size_t parts = by_origin_.size() + (by_origin_.contains(origin) ? 0 : 1);
  return max / std::max(parts, std::size_t{2});
}

bool ScanQuota::is_short(Holder holder, std::size_t max) const {
  return count(holder.origin) < share(holder.origin, max);
}

std::vector<ScanQuota::Place> ScanQuota::excess(Holder holder, std::size_t max) const {
  if (!is_short(holder, max)) return excess_of_siblings(holder);
  const auto most = std::max_element(
      by_origin_.begin(), by_origin_.end(), [](const auto& one, const auto& other) {
        return one.second.size() < other.second.size();
      });
  if (most == by_origin_.end() || most->second.size() <= share(holder.origin, max)) return {};
  return most->second;
}

// The same among the connections of his address, for what that has.
std::vector<ScanQuota::Place> ScanQuota::excess_of_siblings(Holder holder) const {
  const auto own = by_origin_.find(holder.origin);
  if (own == by_origin_.end()) return {};
  std::set<ConnectionNumber> siblings{holder.connection};
  for (const Place& place : own->second) siblings.insert(place.connection);
  const std::size_t part = own->second.size() / siblings.size();
  if (count_of(holder.connection) >= part) return {};
  const auto most = std::max_element(siblings.begin(), siblings.end(), [&](auto one, auto other) {
    return count_of(one) < count_of(other);
  });
  if (count_of(*most) <= part) return {};
  std::vector<Place> places;
  for (const Place& place : own->second) {
    if (place.connection == *most) places.push_back(place);
  }
  return places;
}

}  // namespace pgtide
