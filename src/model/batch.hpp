#pragma once
#include <cstdint>
#include <vector>

#include "model/cursor.hpp"
#include "pgtide/event.hpp"

namespace pgtide {

// What one tick made visible, in log order, or a piece of it: a large tick comes in pieces of at
// most `piece_bytes_max` of rows, and ends with its last piece. One piece is shared by all shards
// and never changed. A tick may also be empty (`events` is) and still moves the position.
struct Batch {
  // A shard takes one piece in one turn of its loop (ARCHITECTURE, "Write in bulk").
  static constexpr std::size_t piece_bytes_max = 1'048'576;

  std::uint64_t epoch = 0;
  std::uint64_t tick = 0;
  std::uint64_t nonce = 0;
  bool ends_tick = true;
  std::int64_t captured_us = 0;  // when the tick was made: microseconds since 1970, server's clock
  std::vector<Event> events{};

  Cursor cursor_after(const Event& event) const { return {epoch, tick, nonce, event.id}; }
  // Where a connection is that has had this piece whole. A piece without events that does not
  // end its tick does not exist.
  Cursor cursor_end() const {
    return {epoch, tick, nonce, ends_tick ? Cursor::whole_tick : events.back().id};
  }
  // Bytes of texts that the events hold: what flow control counts.
  std::size_t bytes() const;
};

}  // namespace pgtide
