#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/cursor.hpp"
#include "pgtide/result.hpp"

namespace pgtide {

// What cursors are sealed with. It lies in the database, so that all bridges of it agree.
using CursorKey = std::array<std::uint8_t, 32>;

// Cursors as clients see them. Ticks and ids count what everybody writes, so they are nobody's who
// may not see it: a seal hides them, and what this did not seal it does not open. Equal cursors
// have equal texts, on every bridge of a database and at any time. Not for two threads at once.
class CursorSealer {
 public:
  virtual ~CursorSealer() = default;
  // At most 64 bytes of base64url (PROTOCOL 2).
  virtual std::string seal(const Cursor& cursor) = 0;
  // Total over any bytes; ErrorKind::invalid for what was not sealed with this key.
  virtual Result<Cursor> open(std::string_view text) = 0;
};

// Hides nothing: for tests, and for trials without a client.
class PlainCursors final : public CursorSealer {
 public:
  std::string seal(const Cursor& cursor) override { return to_string(cursor); }
  Result<Cursor> open(std::string_view text) override { return parse_cursor(text); }
};

}  // namespace pgtide
