#include "cli/freed_memory.hpp"

#include <malloc.h>
#include <spdlog/spdlog.h>

#include <cstddef>

#include "bridge/resource_figures.hpp"

namespace pgtide {
namespace {

constexpr std::size_t block_bytes_max = 64 * 1'048'576;  // larger ones never lie in a heap
constexpr std::size_t kept_bytes = 16 * 1'048'576;       // at a heap's end, where look() frees none
constexpr std::size_t much_bytes = 32 * 1'048'576;
// What is resident, of no file and no block of malloc's: stacks and the program's variables.
constexpr std::size_t anonymous_beside = 8 * 1'048'576;

// Not what is free but was given back already: that is not resident.
std::size_t free_bytes() {
  const std::size_t anonymous = read_resource_figures().anonymous_bytes;
  if (anonymous < much_bytes + anonymous_beside) return 0;  // spares the walk through the heaps
  const auto heaps = mallinfo2();
  const std::size_t used = heaps.uordblks + heaps.hblkhd + anonymous_beside;
  return anonymous > used ? anonymous - used : 0;
}

}  // namespace

void FreedMemory::keep_some() {
  mallopt(M_MMAP_THRESHOLD, block_bytes_max);
  mallopt(M_TRIM_THRESHOLD, kept_bytes);
}

void FreedMemory::look() {
  const std::size_t free = free_bytes();
  const bool is_much = free > much_bytes;
  if (is_much && was_much_) {
    malloc_trim(0);
    spdlog::debug("{} MiB of memory that was free went back to the system", free / 1'048'576);
  }
  was_much_ = is_much && !was_much_;
}

}  // namespace pgtide
