#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace pgtide {

// A timestamp of the rules language: microseconds since 1970-01-01T00:00:00Z in the Gregorian
// calendar, also before it was there, as PostgreSQL counts. Its infinities are the two ends.
inline constexpr std::int64_t instant_infinity = std::numeric_limits<std::int64_t>::max();
inline constexpr std::int64_t instant_minus_infinity = std::numeric_limits<std::int64_t>::min();

// ISO 8601 as RFC 3339 narrows it ("2026-11-23T10:15:30.5+02:00"), and what PostgreSQL prints: a
// space for the T, no zone or no time (then UTC, midnight), offsets with seconds, years of more
// than four digits, " BC", "infinity". Digits past the microsecond are cut off. None: not such a
// text, no such day, or out of range (the years -290,308 to 294,247).
std::optional<std::int64_t> parse_instant(std::string_view text);
// What that takes (rules/value.hpp), and to print one.
constexpr std::uint64_t steps_to_parse_instant(std::string_view text) {
  return 4 + text.size() / 4;
}
inline constexpr std::uint64_t steps_to_print_instant = 15;

// RFC 3339 in UTC with as many digits of a second as needed: "2026-11-23T08:15:30.5Z".
std::string print_instant(std::int64_t instant);

}  // namespace pgtide
