#pragma once
#include <string>
#include <vector>

#include "bridge/shard.hpp"
#include "capture/change_source.hpp"

namespace pgtide {

// The figures of the whole bridge as Prometheus text (format 0.0.4). Counters of the shards are
// summed. `now_us` is the server clock's: microseconds since 1970, for the lag.
std::string to_prometheus(const std::vector<ShardFigures>& shards, const SourceStatus& source,
                          std::int64_t now_us);

}  // namespace pgtide
