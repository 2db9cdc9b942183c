#include "bridge/connection_limiter.hpp"

#include "bridge/address_key.hpp"

namespace pgtide {

std::optional<Arrival> ConnectionLimiter::enter(Entrance entrance, std::string_view address) {
  const std::string key = address.empty() || per_address_max_ == 0 ? "" : address_key(address);
  Arrival arrival{.entrance = entrance};
  {
    const std::lock_guard lock(mutex_);
    if (entrance == Entrance::operators) {
      if (operators_ >= operators_max) return std::nullopt;
      ++operators_;
    } else {
      if (held_.all() >= connections_max_ + spare()) return std::nullopt;
      arrival.spare = held_.all() >= connections_max_;
      if (!key.empty()) {
        Held& held = by_address_[key];
        if (held.all() >= per_address_max_ + spare_per_address) return std::nullopt;
        arrival.spare = arrival.spare || held.all() >= per_address_max_;
        ++held.sockets;
      }
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
  const std::lock_guard lock(mutex_);
  if (held_.connections >= connections_max_) return Operator::Admission::too_many;
  if (per_address_max_ != 0) {
    std::size_t& held = by_address_[address_key(address)].connections;
    if (held >= per_address_max_) return Operator::Admission::too_many_from_address;
    ++held;
  }
  ++held_.connections;
  return Operator::Admission::admitted;
}

void ConnectionLimiter::release(std::string_view address) {
  const std::lock_guard lock(mutex_);
  --held_.connections;
  if (per_address_max_ == 0) return;
  const std::string key = address_key(address);
  --by_address_[key].connections;
  forget_idle(key);
}

void ConnectionLimiter::leave(Entrance entrance, const std::string& key) {
  const std::lock_guard lock(mutex_);
  if (entrance == Entrance::operators) {
    --operators_;
    return;
  }
  --held_.sockets;
  if (key.empty()) return;
  --by_address_[key].sockets;
  forget_idle(key);
}

void ConnectionLimiter::forget_idle(const std::string& key) {
  if (by_address_[key].all() == 0) by_address_.erase(key);
}

}  // namespace pgtide
