#include "model/cursor.hpp"

// A cursor's four numbers as 32 bytes, most significant first, in base64url without padding
// (RFC 4648, 5): 43 characters. The last one carries four bits only; its two spare bits must be
// zero, so that each cursor has one text.
namespace pgtide {
namespace {

constexpr std::size_t cursor_characters = 43;
constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

using Bytes = CursorBytes;

void put(Bytes& bytes, std::size_t at, std::uint64_t number) {
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[at + i] = static_cast<std::uint8_t>(number >> (56 - 8 * i));
  }
}

std::uint64_t take(const Bytes& bytes, std::size_t at) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 8; ++i) number = number << 8 | bytes[at + i];
  return number;
}

std::string to_base64url(const Bytes& bytes) {
  std::string text(cursor_characters, '\0');
  std::uint32_t window = 0;
  int bits = 0;
  std::size_t filled = 0;
  for (const std::uint8_t byte : bytes) {
    window = window << 8 | byte;
    for (bits += 8; bits >= 6; bits -= 6) text[filled++] = alphabet[window >> (bits - 6) & 63U];
  }
  text[filled] = alphabet[window << (6 - bits) & 63U];
  return text;
}

}  // namespace

CursorBytes to_bytes(const Cursor& cursor) {
  Bytes bytes{};
  put(bytes, 0, cursor.epoch);
  put(bytes, 8, cursor.tick);
  put(bytes, 16, cursor.nonce);
  put(bytes, 24, cursor.id);
  return bytes;
}

Cursor from_bytes(const CursorBytes& bytes) {
  return {take(bytes, 0), take(bytes, 8), take(bytes, 16), take(bytes, 24)};
}

std::string to_string(const Cursor& cursor) { return to_base64url(to_bytes(cursor)); }

Result<Cursor> parse_cursor(std::string_view text) {
  const Error malformed{ErrorKind::invalid, "not a cursor that this server gave out"};
  if (text.size() != cursor_characters) return malformed;
  Bytes bytes{};
  std::uint32_t window = 0;
  int bits = 0;
  std::size_t filled = 0;
  for (const char character : text) {
    const std::size_t digit = alphabet.find(character);
    if (digit == std::string_view::npos) return malformed;
    window = window << 6 | static_cast<std::uint32_t>(digit);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[filled++] = static_cast<std::uint8_t>(window >> bits);
  }
  if ((window & ((1U << bits) - 1U)) != 0) return malformed;
  return from_bytes(bytes);
}

}  // namespace pgtide
