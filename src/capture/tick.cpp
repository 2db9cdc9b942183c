#include "capture/tick.hpp"

#include <charconv>

namespace pgtide {

std::uint64_t snapshot_xmin(const std::string& snapshot) {
  std::uint64_t xmin = 0;
  std::from_chars(snapshot.c_str(), snapshot.c_str() + snapshot.size(), xmin);
  return xmin;
}

}  // namespace pgtide
