#include "broker/token_bucket.hpp"

#include <algorithm>
#include <cmath>

namespace pgtide {

TokenBucket::TokenBucket(double per_second, double burst, Clock::time_point now)
    : per_second_(per_second),
      capacity_(std::max(1.0, burst)),
      tokens_(capacity_),
      filled_at_(now) {}

bool TokenBucket::take(Clock::time_point now, double tokens) {
  if (per_second_ <= 0) return true;
  tokens_ = tokens_at(now);
  filled_at_ = now;
  tokens = std::min(tokens, capacity_);
  if (tokens_ < tokens) return false;
  tokens_ -= tokens;
  return true;
}

void TokenBucket::give_back(double tokens) {
  tokens_ = std::min(capacity_, tokens_ + tokens);
}

bool TokenBucket::is_full(Clock::time_point now) const {
  return per_second_ <= 0 || tokens_at(now) >= capacity_;
}

double TokenBucket::tokens_at(Clock::time_point now) const {
  const std::chrono::duration<double> passed = now - filled_at_;
  return std::min(capacity_, tokens_ + passed.count() * per_second_);
}

std::chrono::milliseconds TokenBucket::wait(double tokens) const {
  tokens = std::min(tokens, capacity_);
  if (per_second_ <= 0 || tokens_ >= tokens) return std::chrono::milliseconds{0};
  constexpr double longest_ms = 3'600'000;  // of a rate that is hardly more than nothing
  const double ms = std::ceil((tokens - tokens_) / per_second_ * 1000);
  return std::chrono::milliseconds{static_cast<long>(std::clamp(ms, 1.0, longest_ms))};
}

}  // namespace pgtide
