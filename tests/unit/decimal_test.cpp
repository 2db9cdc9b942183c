#include <doctest/doctest.h>

#include "rules/decimal.hpp"
#include "unit/naive_evaluator.hpp"
#include "unit/random_expression.hpp"

using namespace pgtide;

TEST_CASE("decimal: a text is a number or not, with its shortest text") {
  struct {
    std::string text, expected, why;
  } const rows[] = {
      {"0", "0", "zero"},
      {"-0.00e7", "0", "zero has no sign and no exponent"},
      {"007", "7", "leading zeros"},
      {"1.500", "1.5", "trailing zeros"},
      {"100", "100", "whole"},
      {"1e20", "100000000000000000000", "21 digits are printed"},
      {"1e21", "1e21", "22 are not"},
      {"12.5e30", "1.25e31", "an exponent"},
      {"0.00001", "0.00001", "five zeros are printed"},
      {"0.0000001", "1e-7", "six are not"},
      {"-123.456", "-123.456", "negative"},
      {"1E+2", "100", "a large E"},
      {"1e-1000000000", "1e-1000000000", "the least exponent"},
      {"10e1000000000", "1e1000000001", "the largest"},
      {"NaN", "NaN", "not a number"},
      {"-Infinity", "-Infinity", "infinite"},
      {"1e1000000001", "none", "past the largest"},
      {"1e99999999999999999999", "none", "past everything"},
      {"", "none", "empty"},
      {"-", "none", "a sign"},
      {"+1", "none", "JSON has no +"},
      {".5", "none", "JSON has no bare point"},
      {"5.", "none", "nor one at the end"},
      {"1e", "none", "no exponent"},
      {"1e+", "none", "no exponent"},
      {"1x", "none", "something after"},
      {" 1", "none", "a space"},
      {"nan", "none", "PostgreSQL prints NaN"},
  };
  for (const auto& row : rows) {
    INFO(row.why, ": ", row.text);
    const auto number = parse_decimal(row.text);
    CHECK((number ? canonical_text(*number) : "none") == row.expected);
  }
}

TEST_CASE("decimal: infinities lie beyond all numbers, NaN nowhere") {
  const auto of = [](std::string_view text) { return *parse_decimal(text); };
  CHECK(compare(of("Infinity"), of("1e1000000000")) > 0);
  CHECK(compare(of("-Infinity"), of("-1e1000000000")) < 0);
  CHECK(compare(of("Infinity"), of("Infinity")) == 0);
  CHECK(compare(of("-Infinity"), of("Infinity")) < 0);
  CHECK(compare(of("NaN"), of("NaN")) == std::partial_ordering::unordered);
  CHECK(compare(of("NaN"), of("Infinity")) == std::partial_ordering::unordered);
}

TEST_CASE("decimal: order, equality and shortest texts agree with numbers padded by zeros") {
  test::naive::Dice dice(7);
  const auto random_number = [&] {
    static constexpr char digits[] = "000112359";
    std::string text = dice.chance(40) ? "-" : "";
    for (std::size_t n = 1 + dice.below(4); n > 0; --n) text += digits[dice.below(9)];
    if (dice.chance(50)) text += '.';
    if (text.back() == '.') {
      for (std::size_t n = 1 + dice.below(4); n > 0; --n) text += digits[dice.below(9)];
    }
    if (dice.chance(40)) text += "e" + std::to_string(static_cast<int>(dice.below(9)) - 4);
    return text;
  };
  for (int n = 0; n < 3'000; ++n) {
    const std::string a = random_number(), b = random_number();
    const auto one = parse_decimal(a), other = parse_decimal(b);
    REQUIRE((one && other));
    const int expected = *test::naive::compare_numbers(a, b);
    INFO(a, " and ", b);
    CHECK((compare(*one, *other) < 0) == (expected < 0));
    CHECK((compare(*one, *other) == 0) == (expected == 0));
    CHECK((canonical_text(*one) == canonical_text(*other)) == (expected == 0));
    const std::string shortest = canonical_text(*one);
    CHECK(*test::naive::compare_numbers(a, shortest) == 0);
  }
}

TEST_CASE("decimal: small integers take the short way") {
  CHECK(parse_small_integer("999999999999999999") == 999'999'999'999'999'999);
  CHECK(parse_small_integer("-12") == -12);
  CHECK(parse_small_integer("-0") == 0);
  for (const std::string_view text : {"", "-", "1.0", "1e2", "1000000000000000000", "1-"}) {
    CHECK_FALSE(parse_small_integer(text));
  }
}
