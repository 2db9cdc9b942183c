#pragma once
#include <cstddef>
#include <cstdint>

namespace pgtide {

struct BrokerLimits {
  std::size_t subscriptions_per_connection = 100;
  // Two token buckets: a message takes one token, with a burst of the same number; what stands in
  // it takes others, with a burst that is enough for as many patterns with filters as can be held.
  double requests_per_second = 10;
  std::size_t refusals = 100;  // more than answers, for the rate: then the connection ends
  std::size_t event_bytes = 1'048'576;  // a whole frame
  std::size_t scanned_filters = 1'000;  // per collection: filters that no index narrows
  // Steps that clients' filters may take: of one connection for one event, and of all in a second
  // (of the options' clock).
  std::uint64_t filter_steps_per_event = 10'000;
  std::uint64_t filter_steps_per_second = 15'000'000;
  // What one stretch of a batch may make: bytes of frames, each class's own.
  std::size_t stretch_bytes = 33'554'432;

  // Tokens for patterns and filters that are there at once.
  double work_burst() const;
};

}  // namespace pgtide
