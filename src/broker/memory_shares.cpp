#include "broker/memory_shares.hpp"

#include <algorithm>

namespace pgtide {

void MemoryShares::add(Holder holder, std::size_t bytes) {
  Party& party = parties_[holder.origin];
  by_size_.erase({party.bytes, holder.origin});
  all_ += bytes;
  party.bytes += bytes;
  party.connections[holder.connection] += bytes;
  by_size_.insert({party.bytes, holder.origin});
}

void MemoryShares::take(Holder holder, std::size_t bytes) {
  const auto found = parties_.find(holder.origin);
  Party& party = found->second;
  by_size_.erase({party.bytes, holder.origin});
  all_ -= bytes;
  party.bytes -= bytes;
  const auto connection = party.connections.find(holder.connection);
  connection->second -= bytes;
  if (connection->second == 0) party.connections.erase(connection);
  if (party.bytes > 0) {
    by_size_.insert({party.bytes, holder.origin});
  } else {
    parties_.erase(found);
  }
}

// Of an address, among all that hold some or, as this one, would.
std::size_t MemoryShares::share(OriginNumber origin) const {
  return all_ / (parties_.size() + (parties_.contains(origin) ? 0 : 1));
}

bool MemoryShares::is_short(OriginNumber origin) const {
  const auto own = parties_.find(origin);
  const std::size_t held = own != parties_.end() ? own->second.bytes : 0;
  return held < share(origin) && find_excess(origin).has_value();
}

std::optional<ConnectionNumber> MemoryShares::find_excess(OriginNumber origin) const {
  if (by_size_.empty()) return std::nullopt;
  const auto [bytes, most] = *by_size_.rbegin();
  if (most == origin || bytes <= share(origin)) return std::nullopt;
  const auto& connections = parties_.at(most).connections;
  const auto largest = std::max_element(
      connections.begin(), connections.end(),
      [](const auto& one, const auto& other) { return one.second < other.second; });
  return largest->first;
}

}  // namespace pgtide
