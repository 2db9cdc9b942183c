#include "rules/decimal.hpp"

#include <limits>

namespace pgtide {
namespace {

constexpr std::int64_t exponent_max = 1'000'000'000;
constexpr std::int64_t plain_digits_max = 21;  // longer integers are printed with an exponent
constexpr std::int64_t plain_zeros_max = 6;    // after the point

bool is_decimal_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view take_digits(std::string_view& text) {
  std::size_t n = 0;
  while (n < text.size() && is_decimal_digit(text[n])) ++n;
  const std::string_view taken = text.substr(0, n);
  text.remove_prefix(n);
  return taken;
}

// What stands after 'e': [+-]digits, up to the end.
std::optional<std::int64_t> parse_exponent(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  std::string_view digits = take_digits(text);
  if (digits.empty() || !text.empty()) return std::nullopt;
  std::int64_t exponent = 0;
  for (const char c : digits) {
    exponent = exponent * 10 + (c - '0');
    if (exponent > exponent_max) return std::nullopt;
  }
  return negative ? -exponent : exponent;
}

// `digits` is all of them with their point; `whole` how many stand before it.
void set_digits(Decimal& number, std::string_view digits, std::int64_t whole) {
  const std::size_t first = digits.find_first_not_of("0.");
  if (first == std::string_view::npos) {
    number = {};
    return;
  }
  const std::size_t last = digits.find_last_not_of("0.");
  const auto skipped =
      static_cast<std::int64_t>(first) - (static_cast<std::int64_t>(first) > whole);
  number.digits = digits.substr(first, last - first + 1);
  number.magnitude += whole - skipped;
}

std::optional<Decimal> parse_special(std::string_view text) {
  Decimal number;
  if (text == "NaN") {
    number.kind = Decimal::Kind::not_a_number;
  } else if (text == "Infinity" || text == "-Infinity") {
    number.kind = Decimal::Kind::infinite;
    number.negative = text[0] == '-';
  } else {
    return std::nullopt;
  }
  return number;
}

// Walks over digits, past the point. A number that has no more of them goes on with zeros.
class DigitWalk {
 public:
  explicit DigitWalk(std::string_view digits) : digits_(digits) {}
  char next() {
    if (digits_.starts_with('.')) digits_.remove_prefix(1);
    if (digits_.empty()) return '0';
    const char digit = digits_.front();
    digits_.remove_prefix(1);
    return digit;
  }
  bool at_end() const { return digits_.empty(); }

 private:
  std::string_view digits_;
};

std::strong_ordering compare_size(const Decimal& a, const Decimal& b) {
  if (a.digits.empty() || b.digits.empty()) return !a.digits.empty() <=> !b.digits.empty();
  if (a.magnitude != b.magnitude) return a.magnitude <=> b.magnitude;
  DigitWalk one(a.digits), other(b.digits);
  while (!one.at_end() || !other.at_end()) {
    const auto order = one.next() <=> other.next();
    if (order != 0) return order;
  }
  return std::strong_ordering::equal;
}

std::strong_ordering reversed(std::strong_ordering order) {
  return 0 <=> order;
}

// -1: minus infinity, 1: infinity, 0: finite.
int infinity_of(const Decimal& number) {
  if (number.kind != Decimal::Kind::infinite) return 0;
  return number.negative ? -1 : 1;
}

std::string plain_digits(std::string_view digits) {
  std::string out(digits);
  std::erase(out, '.');
  return out;
}

}  // namespace

std::optional<Decimal> parse_decimal(std::string_view text) {
  if (const auto special = parse_special(text)) return special;
  Decimal number;
  std::string_view rest = text;
  number.negative = rest.starts_with('-');
  if (number.negative) rest.remove_prefix(1);
  const std::string_view start = rest;
  const auto whole = static_cast<std::int64_t>(take_digits(rest).size());
  if (whole == 0) return std::nullopt;
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    if (take_digits(rest).empty()) return std::nullopt;
  }
  const std::string_view digits = start.substr(0, start.size() - rest.size());
  if (!rest.empty()) {
    if (rest[0] != 'e' && rest[0] != 'E') return std::nullopt;
    const auto exponent = parse_exponent(rest.substr(1));
    if (!exponent) return std::nullopt;
    number.magnitude = *exponent;
  }
  set_digits(number, digits, whole);
  return number;
}

std::partial_ordering compare(const Decimal& a, const Decimal& b) {
  constexpr auto nan = Decimal::Kind::not_a_number;
  if (a.kind == nan || b.kind == nan) return std::partial_ordering::unordered;
  if (a.kind == Decimal::Kind::infinite || b.kind == Decimal::Kind::infinite) {
    return infinity_of(a) <=> infinity_of(b);
  }
  if (a.negative != b.negative) return b.negative <=> a.negative;
  const std::strong_ordering order = compare_size(a, b);
  return a.negative ? reversed(order) : order;
}

std::string canonical_text(const Decimal& number) {
  if (number.kind == Decimal::Kind::not_a_number) return "NaN";
  const std::string sign = number.negative ? "-" : "";
  if (number.kind == Decimal::Kind::infinite) return sign + "Infinity";
  if (number.digits.empty()) return "0";
  const std::string digits = plain_digits(number.digits);
  const auto count = static_cast<std::int64_t>(digits.size());
  const std::int64_t point = number.magnitude;
  const auto zeros = [](std::int64_t n) { return std::string(static_cast<std::size_t>(n), '0'); };
  if (point > 0 && point <= plain_digits_max) {
    if (count <= point) return sign + digits + zeros(point - count);
    const auto whole = static_cast<std::size_t>(point);
    return sign + digits.substr(0, whole) + "." + digits.substr(whole);
  }
  if (point <= 0 && point > -plain_zeros_max) return sign + "0." + zeros(-point) + digits;
  const std::string fraction = count > 1 ? "." + digits.substr(1) : "";
  return sign + digits[0] + fraction + "e" + std::to_string(point - 1);
}

std::optional<std::int64_t> truncated(const Decimal& number) {
  if (number.kind != Decimal::Kind::finite || number.magnitude > 19) return std::nullopt;
  const std::uint64_t most =
      std::uint64_t{std::numeric_limits<std::int64_t>::max()} + (number.negative ? 1 : 0);
  std::uint64_t size = 0;
  DigitWalk digits(number.digits);
  for (std::int64_t n = 0; n < number.magnitude && !number.digits.empty(); ++n) {
    const auto digit = static_cast<std::uint64_t>(digits.next() - '0');
    if (size > (most - digit) / 10) return std::nullopt;
    size = size * 10 + digit;
  }
  return static_cast<std::int64_t>(number.negative ? 0 - size : size);
}

std::optional<std::int64_t> parse_small_integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.empty() || text.size() > 18) return std::nullopt;
  std::int64_t value = 0;
  for (const char c : text) {
    if (!is_decimal_digit(c)) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return negative ? -value : value;
}

}  // namespace pgtide
