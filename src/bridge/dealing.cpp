#include "bridge/dealing.hpp"

#include <algorithm>

#include "pgtide/result.hpp"

namespace pgtide {

std::size_t choose_shard(std::span<const std::size_t> loads, std::uint32_t drawn) {
  PGTIDE_ASSERT(!loads.empty());
  const std::size_t fewest = *std::min_element(loads.begin(), loads.end());
  auto left = drawn % static_cast<std::uint32_t>(std::count(loads.begin(), loads.end(), fewest));
  std::size_t shard = 0;
  while (loads[shard] != fewest || left-- > 0) ++shard;
  return shard;
}

}  // namespace pgtide
