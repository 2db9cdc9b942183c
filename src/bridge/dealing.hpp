#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace pgtide {

// Which shard gets the next client: one of those with the fewest, and of several the one that
// `drawn`, any number, falls on. A client that knew would choose whom it shares a thread with.
std::size_t choose_shard(std::span<const std::size_t> loads, std::uint32_t drawn);

}  // namespace pgtide
