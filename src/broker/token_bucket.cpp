#include "broker/token_bucket.hpp"

#include <cmath>

namespace pgtide {

bool Tokens::take(const TokenRate& rate, Clock::time_point now, double tokens) {
  if (rate.per_second <= 0) return true;
  tokens_ = tokens_at(rate, now);
  filled_at_ = now;
  tokens = std::min(tokens, rate.capacity);
  if (tokens_ < tokens) return false;
  tokens_ -= tokens;
  return true;
}

void Tokens::give_back(const TokenRate& rate, double tokens) {
  tokens_ = std::min(rate.capacity, tokens_ + tokens);
}

bool Tokens::is_full(const TokenRate& rate, Clock::time_point now) const {
  return rate.per_second <= 0 || tokens_at(rate, now) >= rate.capacity;
}

double Tokens::tokens_at(const TokenRate& rate, Clock::time_point now) const {
  const std::chrono::duration<double> passed = now - filled_at_;
  return std::min(rate.capacity, tokens_ + passed.count() * rate.per_second);
}

std::chrono::milliseconds Tokens::wait(const TokenRate& rate, double tokens) const {
  tokens = std::min(tokens, rate.capacity);
  if (rate.per_second <= 0 || tokens_ >= tokens) return std::chrono::milliseconds{0};
  constexpr double longest_ms = 3'600'000;  // of a rate that is hardly more than nothing
  const double ms = std::ceil((tokens - tokens_) / rate.per_second * 1000);
  return std::chrono::milliseconds{static_cast<long>(std::clamp(ms, 1.0, longest_ms))};
}

}  // namespace pgtide
