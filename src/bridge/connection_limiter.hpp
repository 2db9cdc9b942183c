#pragma once
#include <atomic>
#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_map>

#include "gateway/operator.hpp"

namespace pgtide {

// Counts the WebSockets of all shards against the limits. Any thread; a lock per handshake.
class ConnectionLimiter {
 public:
  // `per_address_max` 0: no limit.
  ConnectionLimiter(std::size_t connections_max, std::size_t per_address_max)
      : connections_max_(connections_max), per_address_max_(per_address_max) {}

  // Until open() everyone is told that the bridge is starting.
  void open() { open_ = true; }
  bool is_open() const { return open_; }

  Operator::Admission admit(const std::string& address) {
    if (!open_) return Operator::Admission::starting;
    const std::lock_guard lock(mutex_);
    if (connections_ >= connections_max_) return Operator::Admission::too_many;
    std::size_t& held = by_address_[address];
    if (per_address_max_ != 0 && held >= per_address_max_) {
      return Operator::Admission::too_many_from_address;
    }
    ++held;
    ++connections_;
    return Operator::Admission::admitted;
  }

  void release(const std::string& address) {
    const std::lock_guard lock(mutex_);
    --connections_;
    const auto held = by_address_.find(address);
    if (--held->second == 0) by_address_.erase(held);
  }

 private:
  const std::size_t connections_max_;
  const std::size_t per_address_max_;
  std::atomic<bool> open_ = false;
  std::mutex mutex_;
  std::size_t connections_ = 0;
  std::unordered_map<std::string, std::size_t> by_address_;
};

}  // namespace pgtide
