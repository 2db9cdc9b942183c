#include "broker/origins.hpp"

#include <algorithm>
#include <utility>

#include "pgtide/result.hpp"

// A connection's buckets are full when it comes, so limits by connection alone are none for who
// comes again each time. What is dear (filters, and deciding rules anew) is therefore paid for by
// the address as well, and the address is remembered after its last connection for as long as it
// owes something.
//
// Behind one address may stand a whole office, or, where server.trusted_proxies is not set,
// everybody. So an address has a few connections' worth to itself, and past that takes of a bucket
// that belongs to all: one address alone is limited by that, which is much, and whoever empties it
// leaves each other address its own.
//
// (Rejected: an address's own bucket alone, which would keep everybody behind an unnamed proxy
// waiting for minutes after each restart; one that is large enough for them is none for anybody.)
namespace pgtide {
namespace {

constexpr double connections_worth = 4;
// Of all addresses together, beside each one's own: with 10 a second, 1,000 tokens, of about 25 us
// each, or 3 % of the thread.
constexpr double spare_rate = 100, spare_burst = 20;

constexpr std::chrono::seconds remembered_at_least{1};  // what ScanBudget counts in

}  // namespace

Origins::Origins(double per_second, double burst)
    : rate_(per_second * connections_worth, burst * connections_worth),
      spare_(per_second * spare_rate, burst * spare_burst, {}) {}

OriginNumber Origins::enter(const std::string& address, Time now) {
  forget_settled(now);
  const auto [known, is_new] = by_address_.try_emplace(address, OriginNumber{});
  if (!is_new) {
    Origin& origin = *origins_[known->second];
    if (origin.connections++ == 0) gone_.erase(origin.place);
    return known->second;
  }
  if (free_numbers_.empty()) {
    free_numbers_.push_back(static_cast<OriginNumber>(origins_.size()));
    origins_.emplace_back();
  }
  known->second = free_numbers_.back();
  free_numbers_.pop_back();
  origins_[known->second] = Origin{address, Tokens(rate_, now), 1};
  return known->second;
}

std::optional<OriginNumber> Origins::find(const std::string& address) const {
  const auto known = by_address_.find(address);
  if (known == by_address_.end()) return std::nullopt;
  return known->second;
}

void Origins::leave(OriginNumber number, Time now) {
  Origin& origin = *origins_[number];
  PGTIDE_ASSERT(origin.connections > 0);
  if (--origin.connections > 0) return;
  origin.left_at = now;
  origin.place = gone_.insert(gone_.end(), number);
  forget_settled(now);
}

bool Origins::take(OriginNumber number, Time now, double tokens) {
  return origins_[number]->work.take(rate_, now, tokens) || spare_.take(now, tokens);
}

std::chrono::milliseconds Origins::wait(OriginNumber number, double tokens) const {
  return std::min(origins_[number]->work.wait(rate_, tokens), spare_.wait(tokens));
}

void Origins::forget_settled(Time now) {
  while (!gone_.empty()) {
    const OriginNumber oldest = gone_.front();
    const Origin& origin = *origins_[oldest];
    const bool settled =
        now - origin.left_at >= remembered_at_least && origin.work.is_full(rate_, now);
    if (!settled && gone_.size() <= gone_max) return;
    gone_.pop_front();
    by_address_.erase(origin.address);
    origins_[oldest].reset();
    free_numbers_.push_back(oldest);
  }
}

}  // namespace pgtide
