#pragma once
#include <chrono>
#include <mutex>

#include "broker/pace.hpp"

namespace pgtide {

// The one PaceBudget of a bridge. Its shards share it, since the source waits for the slowest of
// them: what any of them waits, all wait. Any thread; a lock per wait, and none without.
class Pacer {
 public:
  using Clock = PaceBudget::Clock;

  // A burst of 100,000 rows to 100 readers needs one to two seconds of it on two cores
  // (bench/burst, 2026-11-30); spent, it is whole again after two and a half minutes.
  static constexpr std::chrono::seconds capacity{5};
  static constexpr double share = 0.03;

  // As PaceBudget's.
  Clock::duration begin(Clock::duration wanted) {
    const std::lock_guard lock(mutex_);
    return budget_.begin(wanted, Clock::now());
  }
  void end() {
    const std::lock_guard lock(mutex_);
    budget_.end(Clock::now());
  }
  std::chrono::duration<double> spent() {
    const std::lock_guard lock(mutex_);
    return budget_.spent(Clock::now());
  }

 private:
  std::mutex mutex_;
  PaceBudget budget_{capacity, share, Clock::now()};
};

}  // namespace pgtide
