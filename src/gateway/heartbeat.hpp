#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace pgtide {

// When one connection is pinged, and when it counts as dead (PROTOCOL 1.6). No I/O, no clock.
//
// A ping every interval; within the timeout after it any byte received is a sign of life. Where
// bytes were queued before the ping, it is stuck behind them, and their shrinking is a sign, too:
// a slow reader lives. Where none were, only the peer can answer: that its system acknowledges
// the ping says nothing of a program that hangs.
class Heartbeat {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // A connection's totals, and `queued`: bytes sent or to be sent that are not acknowledged.
  struct Signs {
    std::uint64_t received = 0;
    std::uint64_t acknowledged = 0;
    std::size_t queued = 0;
  };
  enum class Step { wait, ping, lost };

  Heartbeat(std::chrono::milliseconds interval, std::chrono::milliseconds timeout)
      : interval_(interval), timeout_(timeout) {}

  void start(Time now) { ping_at_ = now + interval_; }
  // When step() wants to be called again.
  Time due() const { return check_at_ < ping_at_ ? check_at_ : ping_at_; }
  Step step(Time now, const Signs& signs);

 private:
  bool is_alive(const Signs& signs) const;

  std::chrono::milliseconds interval_;
  std::chrono::milliseconds timeout_;
  Time ping_at_ = Time::max();
  Time check_at_ = Time::max();
  Signs at_ping_{};
};

}  // namespace pgtide
