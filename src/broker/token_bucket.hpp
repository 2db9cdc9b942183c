#pragma once
#include <chrono>
#include <cstddef>

namespace pgtide {

// So many tokens a second, and at most `burst` of them at a time (at least one). A rate of 0 or
// less is no limit. Time is an argument and never goes back.
class TokenBucket {
 public:
  using Clock = std::chrono::steady_clock;

  TokenBucket(double per_second, double burst, Clock::time_point now);

  // Takes so many tokens, at most the burst; false, and nothing is taken, where there are fewer.
  bool take(Clock::time_point now, double tokens = 1);
  // Those that were taken were not needed.
  void give_back(double tokens);
  bool is_full(Clock::time_point now) const;
  // From the last take() until there are so many: at least 1 ms where there are not now.
  std::chrono::milliseconds wait(double tokens = 1) const;

 private:
  double tokens_at(Clock::time_point now) const;

  double per_second_;
  double capacity_;
  double tokens_;
  Clock::time_point filled_at_;
};

// What an entry of a subscribe message takes: for itself, for a filter that is to be parsed and for
// each `filter_bytes` more of it, and for a regular expression in it that is to be compiled. A held
// pattern that is decided anew, since its user is another, takes what an entry does.
inline constexpr double tokens_of_item = 1, tokens_of_filter = 1, tokens_of_pattern = 4;
inline constexpr std::size_t filter_bytes = 256;
inline constexpr double tokens_of_filtered_item = tokens_of_item + tokens_of_filter;

}  // namespace pgtide
