#pragma once
#include <chrono>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "broker/token_bucket.hpp"
#include "model/text_map.hpp"

namespace pgtide {

// An address that connections come from, as limits by address count it, by the broker's number for
// it. Numbers are small, dense and reused once an origin is forgotten.
using OriginNumber = std::uint32_t;

// What the connections of one address have taken together (the design comment tops origins.cpp).
// Owned by its shard's thread.
class Origins {
 public:
  using Time = TokenBucket::Clock::time_point;
  // Those without a connection that are remembered; past it the oldest of them are forgotten.
  static constexpr std::size_t gone_max = 16'384;

  // For connections that get so many tokens a second, and so many at once.
  Origins(double per_second, double burst);

  // A connection of it begins; it ends.
  OriginNumber enter(const std::string& address, Time now);
  void leave(OriginNumber number, Time now);
  std::optional<OriginNumber> find(const std::string& address) const;

  // Takes tokens for work of one of its connections: of its own bucket, or of what is left over to
  // all. False, and nothing is taken, where there are not so many.
  bool take(OriginNumber number, Time now, double tokens);
  std::chrono::milliseconds wait(OriginNumber number, double tokens) const;

  std::size_t remembered() const { return by_address_.size(); }

 private:
  struct Origin {
    std::string address;
    Tokens work;
    std::size_t connections = 0;
    Time left_at{};
    std::list<OriginNumber>::iterator place{};  // in `gone_`, where it has no connections
  };

  void forget_settled(Time now);

  const TokenRate rate_;  // of each address
  TokenBucket spare_;
  TextMap<OriginNumber> by_address_{};
  std::vector<std::optional<Origin>> origins_{};  // by number
  std::vector<OriginNumber> free_numbers_{};
  std::list<OriginNumber> gone_{};  // in the order in which they left
};

}  // namespace pgtide
