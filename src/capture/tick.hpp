#pragma once
#include <cstdint>
#include <string>

namespace pgtide {

// A tick as it is stored (CAPTURE, "Ticks"): its batch is what its snapshot sees and the one of
// the tick before does not. Numbers follow each other without a hole.
struct Tick {
  std::uint64_t n = 0;
  std::uint64_t nonce = 0;      // tells this tick from another history's of the same number
  std::string snapshot{};       // pg_snapshot's text, "xmin:xmax:xip,xip"
  std::int64_t at_us = 0;       // server's clock, microseconds since 1970
};

// Every transaction below it had ended when the snapshot was taken; 0 where the text is none.
std::uint64_t snapshot_xmin(const std::string& snapshot);

// How far the stream has been handed to the sink.
struct Progress {
  std::uint64_t epoch = 0;
  Tick last{};                      // the last tick delivered whole; n is 0 before there is any
  std::uint64_t partial_nonce = 0;  // of tick last.n + 1, where some of it was delivered:
  std::uint64_t partial_id = 0;     // everything up to this id; 0: nothing
};

}  // namespace pgtide
