#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>

namespace pgtide {

// So many tokens a second, and at most `burst` of them at a time (at least one). A rate of 0 or
// less is no limit.
struct TokenRate {
  TokenRate(double tokens_per_second, double burst)
      : per_second(tokens_per_second), capacity(std::max(1.0, burst)) {}

  double per_second;
  double capacity;
};

// Those of a bucket, full at first: 16 bytes, for there is one or two for each connection, and all
// of them have one rate. Time is an argument and never goes back.
class Tokens {
 public:
  using Clock = std::chrono::steady_clock;

  Tokens(const TokenRate& rate, Clock::time_point now) : tokens_(rate.capacity), filled_at_(now) {}

  // Takes so many tokens, at most the burst; false, and nothing is taken, where there are fewer.
  bool take(const TokenRate& rate, Clock::time_point now, double tokens = 1);
  // Those that were taken were not needed.
  void give_back(const TokenRate& rate, double tokens);
  bool is_full(const TokenRate& rate, Clock::time_point now) const;
  // From the last take() until there are so many: at least 1 ms where there are not now.
  std::chrono::milliseconds wait(const TokenRate& rate, double tokens = 1) const;

 private:
  double tokens_at(const TokenRate& rate, Clock::time_point now) const;

  double tokens_;
  Clock::time_point filled_at_;
};

// The same with its rate.
class TokenBucket {
 public:
  using Clock = Tokens::Clock;

  TokenBucket(double per_second, double burst, Clock::time_point now)
      : rate_(per_second, burst), tokens_(rate_, now) {}

  bool take(Clock::time_point now, double tokens = 1) { return tokens_.take(rate_, now, tokens); }
  std::chrono::milliseconds wait(double tokens = 1) const { return tokens_.wait(rate_, tokens); }

 private:
  TokenRate rate_;
  Tokens tokens_;
};

// What an entry of a subscribe message takes: for itself, for a filter that is to be parsed and for
// each `filter_bytes` more of it, and for a regular expression in it that is to be compiled. A held
// pattern that is decided anew, since its user is another, takes what an entry does.
inline constexpr double tokens_of_item = 1, tokens_of_filter = 1, tokens_of_pattern = 4;
inline constexpr std::size_t filter_bytes = 256;
inline constexpr double tokens_of_filtered_item = tokens_of_item + tokens_of_filter;

}  // namespace pgtide
