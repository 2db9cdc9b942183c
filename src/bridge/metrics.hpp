#pragma once
#include <string>
#include <vector>

#include "bridge/shard.hpp"
#include "broker/memory_account.hpp"
#include "capture/change_source.hpp"

namespace pgtide {

struct BridgeFigures {
  std::vector<ShardFigures> shards{};
  SourceStatus source{};
  std::size_t problems = 0;  // as /readyz lists them
  std::int64_t now_us = 0;   // by the server's clock, since 1970: for the lag
  std::uint64_t accept_pauses = 0;
  std::uint64_t sockets_refused = 0;
  double paced_seconds = 0;
  const MemoryAccount* memory = nullptr;
};

// The figures of the whole bridge and of its process as Prometheus text (format 0.0.4). Counters
// and histograms of the shards are summed.
std::string to_prometheus(const BridgeFigures& figures);

}  // namespace pgtide
