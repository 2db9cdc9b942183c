#include "broker/memory_shares.hpp"

namespace pgtide {

void MemoryShares::add(Holder holder, std::size_t bytes) {
  if (holder.connection >= connections_.size()) {
    connections_.resize(holder.connection + std::size_t{1});
  }
  Held& held = connections_[holder.connection];
  held.origin = holder.origin;
  held.bytes += bytes;
  all_ += bytes;
  std::size_t& of_origin = bytes_[holder.origin];
  by_size_.erase({of_origin, holder.origin});
  of_origin += bytes;
  by_size_.insert({of_origin, holder.origin});
}

void MemoryShares::take(Holder holder, std::size_t bytes) {
  connections_[holder.connection].bytes -= bytes;
  all_ -= bytes;
  const auto of_origin = bytes_.find(holder.origin);
  by_size_.erase({of_origin->second, holder.origin});
  of_origin->second -= bytes;
  if (of_origin->second > 0) {
    by_size_.insert({of_origin->second, holder.origin});
  } else {
    bytes_.erase(of_origin);
  }
}

std::size_t MemoryShares::held_by(OriginNumber origin) const {
  const auto found = bytes_.find(origin);
  return found != bytes_.end() ? found->second : 0;
}

// Of an address, among all that hold some or, as this one, would.
std::size_t MemoryShares::share(OriginNumber origin) const {
  return all_ / (bytes_.size() + (bytes_.contains(origin) ? 0 : 1));
}

bool MemoryShares::is_short(OriginNumber origin) const {
  return held_by(origin) < share(origin) && find_excessive(origin).has_value();
}

std::optional<OriginNumber> MemoryShares::find_excessive(OriginNumber origin) const {
  if (by_size_.empty()) return std::nullopt;
  const auto [bytes, most] = *by_size_.rbegin();
  if (most == origin || bytes <= share(origin)) return std::nullopt;
  return most;
}

std::optional<ConnectionNumber> MemoryShares::find_excess(OriginNumber origin) const {
  const auto most = find_excessive(origin);
  if (!most) return std::nullopt;
  std::optional<ConnectionNumber> largest;
  for (ConnectionNumber number = 0; number < connections_.size(); ++number) {
    const Held& held = connections_[number];
    if (held.origin != *most || held.bytes == 0) continue;
    if (!largest || held.bytes > connections_[*largest].bytes) largest = number;
  }
  return largest;
}

}  // namespace pgtide
