#pragma once
#include <chrono>

namespace pgtide {

// So many requests a second, with a burst of the same size (at least one). A rate of 0 or less is
// no limit. Time is an argument and never goes back.
class TokenBucket {
 public:
  using Clock = std::chrono::steady_clock;

  TokenBucket(double per_second, Clock::time_point now);

  // Takes one token; false, and nothing is taken, where there is none.
  bool take(Clock::time_point now);
  // From the last take() until there is a token: at least 1 ms where there is none now.
  std::chrono::milliseconds wait() const;

 private:
  double per_second_;
  double capacity_;
  double tokens_;
  Clock::time_point filled_at_;
};

}  // namespace pgtide
