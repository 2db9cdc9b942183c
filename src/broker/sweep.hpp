#pragma once
#include <algorithm>
#include <cstddef>
#include <unordered_map>

namespace pgtide {

// Takes what has expired out of a map of weak pointers, so that it does not grow for ever: when it
// has twice as many entries as the last time left there, so that an entry's share of all the
// walks is two visits, in whatever order entries come and go.
class Sweep {
 public:
  template <class Map>
  void operator()(Map& map) {
    if (map.size() < next_) return;
    std::erase_if(map, [](const auto& entry) { return entry.second.expired(); });
    next_ = std::max(least, 2 * map.size());
  }

 private:
  static constexpr std::size_t least = 1'024;
  std::size_t next_ = least;
};

}  // namespace pgtide
