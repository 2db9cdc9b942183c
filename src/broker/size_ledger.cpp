#include "broker/size_ledger.hpp"

#include <bit>

namespace pgtide {

// The leading bit and the two after it; sizes below four have classes of their own.
std::size_t SizeLedger::class_of(std::size_t size) {
  if (size < 4) return size;
  const auto width = static_cast<std::size_t>(std::bit_width(size));
  return (width - 1) * 4 + (size >> (width - 3) & 3U);
}

std::size_t SizeLedger::least_of(std::size_t size_class) {
  if (size_class < 8) return size_class;
  return (4 + size_class % 4) << (size_class / 4 - 2);
}

void SizeLedger::change(std::size_t from, std::size_t to) {
  if (from != 0) bytes_[class_of(from)].fetch_sub(from, std::memory_order_relaxed);
  if (to != 0) bytes_[class_of(to)].fetch_add(to, std::memory_order_relaxed);
}

std::size_t SizeLedger::floor_of(std::size_t bytes) const {
  std::size_t found = 0;
  for (std::size_t size_class = classes; size_class-- > 0;) {
    found += bytes_[size_class].load(std::memory_order_relaxed);
    if (found >= bytes && found > 0) return least_of(size_class);
  }
  return 0;
}

}  // namespace pgtide
