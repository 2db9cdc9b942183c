#pragma once
#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "pgtide/result.hpp"

namespace pgtide {

// A place in the log: everything in the ticks before `tick`, and in that tick every change whose
// id is at most `id`, lies behind it. `epoch` names database and history, `nonce` the very tick
// that had this number, so that a cursor from before a restore or a failover that lost
// transactions is found out (CAPTURE, "Ticks").
struct Cursor {
  static constexpr std::uint64_t whole_tick = std::numeric_limits<std::uint64_t>::max();

  std::uint64_t epoch = 0;
  std::uint64_t tick = 0;
  std::uint64_t nonce = 0;
  std::uint64_t id = whole_tick;

  friend bool operator==(const Cursor&, const Cursor&) = default;
};

// The four numbers, each with its most significant byte first.
using CursorBytes = std::array<std::uint8_t, 32>;
CursorBytes to_bytes(const Cursor& cursor);
Cursor from_bytes(const CursorBytes& bytes);

// 43 characters of base64url. Clients get a sealed one instead (cursor_sealer.hpp).
std::string to_string(const Cursor& cursor);

// Total over any bytes; ErrorKind::invalid on what to_string() cannot have printed.
Result<Cursor> parse_cursor(std::string_view text);

}  // namespace pgtide
