#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgtide {

// The exact number that a text shows, as a view of it: nothing is computed, nothing allocated, and
// any number of digits is kept. A conversion to double would make 2^53 and 2^53 + 1 equal, and a
// library of big numbers would allocate for each row.
struct Decimal {
  enum class Kind : unsigned char { finite, infinite, not_a_number };
  Kind kind = Kind::finite;
  bool negative = false;
  std::string_view digits{};   // from the first to the last that is not 0, maybe with a '.' between
  std::int64_t magnitude = 0;  // the number is 0.DIGITS times ten to the power of this
};

// JSON's numbers, also with leading zeros, and PostgreSQL's "NaN", "Infinity", "-Infinity". None
// where it is something else, or its exponent is past a thousand million.
std::optional<Decimal> parse_decimal(std::string_view text);

// NaN is unordered with everything.
std::partial_ordering compare(const Decimal& a, const Decimal& b);

// The shortest text of the number: equal numbers have equal texts, others never. NaN has "NaN".
std::string canonical_text(const Decimal& number);

// Towards zero; none where it does not fit.
std::optional<std::int64_t> truncated(const Decimal& number);

// Is it `-?[0-9]+`, of at most 18 digits? Then its value: the fast path.
std::optional<std::int64_t> parse_small_integer(std::string_view text);

}  // namespace pgtide
