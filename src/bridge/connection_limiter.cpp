#include "bridge/connection_limiter.hpp"

#include <algorithm>

#include "bridge/address_key.hpp"

namespace pgtide {

std::size_t ConnectionLimiter::Held::rank() const {
  return stays ? 0 : connections - std::min(leaving, connections);
}

// Keeps the order of addresses true while one of them changes.
template <class Change>
void ConnectionLimiter::change(const std::string& key, Change make) {
  Held& held = by_address_[key];
  ranked_.erase({held.rank(), key});
  make(held);
  if (held.rank() > 1) ranked_.emplace(held.rank(), key);
  if (held.all() == 0) by_address_.erase(key);
}

ConnectionLimiter::Held ConnectionLimiter::held_by(const std::string& key) const {
  const auto found = by_address_.find(key);
  return found == by_address_.end() ? Held{} : found->second;
}

// Who has his share already takes no more than half of the spare part: the other half is for those
// that come to have theirs.
std::size_t ConnectionLimiter::spare_for(const std::string& key) const {
  const std::size_t held = held_by(key).all();
  const std::size_t addresses = by_address_.size() + (held == 0 ? 1 : 0);
  const std::size_t share = std::max<std::size_t>(1, connections_max_ / addresses);
  return !key.empty() && held >= share ? spare() / 2 : spare();
}

std::optional<Arrival> ConnectionLimiter::enter(Entrance entrance, std::string_view address) {
  const std::string key = address.empty() ? "" : address_key(address);
  Arrival arrival{.entrance = entrance};
  {
    const std::lock_guard lock(mutex_);
    if (entrance == Entrance::operators) {
      if (operators_ >= operators_max) return std::nullopt;
      ++operators_;
    } else {
      if (held_.all() >= connections_max_ + spare_for(key)) return std::nullopt;
      arrival.spare = held_.all() >= connections_max_;
      if (!key.empty() && per_address_max_ != 0) {
        const std::size_t held = held_by(key).all();
        if (held >= per_address_max_ + spare_per_address) return std::nullopt;
        arrival.spare = arrival.spare || held >= per_address_max_;
      }
      if (!key.empty()) change(key, [](Held& held) { ++held.sockets; });
      ++held_.sockets;
    }
  }
  arrival.place = std::shared_ptr<void>(
      this, [this, entrance, key](void*) { leave(entrance, key); });
  return arrival;
}

bool ConnectionLimiter::is_full() {
  const std::lock_guard lock(mutex_);
  return held_.all() >= connections_max_;
}

Operator::Admission ConnectionLimiter::admit(std::string_view address) {
  if (!open_) return Operator::Admission::starting;
  const std::string key = address_key(address);
  const std::lock_guard lock(mutex_);
  if (held_.connections >= connections_max_) return Operator::Admission::too_many;
  if (per_address_max_ != 0 && held_by(key).connections >= per_address_max_) {
    return Operator::Admission::too_many_from_address;
  }
  let_in(key);
  return Operator::Admission::admitted;
}

void ConnectionLimiter::let_in(const std::string& key) {
  change(key, [](Held& held) {
    ++held.connections;
    held.stays = false;
  });
  ++held_.connections;
}

std::optional<std::string> ConnectionLimiter::admit_instead(std::string_view address) {
  const std::string key = address_key(address);
  const std::lock_guard lock(mutex_);
  if (!open_ || held_.connections >= connections_max_ + spare()) return std::nullopt;
  auto leaves = pick_leaver(held_by(key).connections);
  if (leaves) let_in(key);
  return leaves;
}

std::optional<std::string> ConnectionLimiter::pick_another(std::string_view address,
                                                           const std::string& stays) {
  const std::string key = address_key(address);
  const std::lock_guard lock(mutex_);
  if (held_by(stays).all() > 0) {
    change(stays, [](Held& held) {
      held.leaving -= std::min<std::size_t>(held.leaving, 1);
      held.stays = true;
    });
  }
  const std::size_t held = held_by(key).connections;
  return pick_leaver(held - std::min<std::size_t>(held, 1));  // it has been let in
}

std::optional<std::string> ConnectionLimiter::pick_leaver(std::size_t newcomer_has) {
  if (ranked_.empty()) return std::nullopt;
  const auto [most, key] = *ranked_.rbegin();
  if (newcomer_has * 2 >= most) return std::nullopt;
  change(key, [](Held& held) { ++held.leaving; });
  return key;
}

void ConnectionLimiter::release(std::string_view address) {
  const std::string key = address_key(address);
  const std::lock_guard lock(mutex_);
  --held_.connections;
  change(key, [](Held& held) {
    --held.connections;
    held.leaving -= std::min<std::size_t>(held.leaving, 1);
  });
}

void ConnectionLimiter::leave(Entrance entrance, const std::string& key) {
  const std::lock_guard lock(mutex_);
  if (entrance == Entrance::operators) {
    --operators_;
    return;
  }
  --held_.sockets;
  if (!key.empty()) change(key, [](Held& held) { --held.sockets; });
}

}  // namespace pgtide
