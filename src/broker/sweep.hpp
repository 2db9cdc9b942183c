#pragma once
#include <cstddef>

namespace pgtide {

// Takes what has expired out of a map of weak pointers, when so many are there: it must not grow
// for ever.
template <class Map>
void sweep(Map& map) {
  constexpr std::size_t sweep_at = 1'024;
  if (map.size() % sweep_at != 0) return;
  std::erase_if(map, [](const auto& entry) { return entry.second.expired(); });
}

}  // namespace pgtide
