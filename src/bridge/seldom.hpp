#pragma once
#include <atomic>
#include <chrono>

namespace pgtide {

// Says yes the first time, and then once a minute at most: what every client of a crowd meets is
// one line in the log. Any thread.
class Seldom {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::minutes interval{1};

  bool due(Clock::time_point now = Clock::now()) {
    auto next = next_.load();
    return now >= next && next_.compare_exchange_strong(next, now + interval);
  }

 private:
  std::atomic<Clock::time_point> next_ = Clock::time_point::min();
};

}  // namespace pgtide
