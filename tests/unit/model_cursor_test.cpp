#include <doctest/doctest.h>

#include <random>

#include "model/cursor.hpp"

using namespace pgtide;

TEST_CASE("cursor: what is printed parses back, and is at most 64 bytes") {
  std::mt19937_64 random(2);
  for (int i = 0; i < 2'000; ++i) {
    const Cursor cursor{random(), random() >> (random() % 64), random(), random()};
    const std::string text = to_string(cursor);
    CHECK(text.size() == 43);
    const auto parsed = parse_cursor(text);
    REQUIRE(parsed.ok());
    CHECK(*parsed == cursor);
  }
}

TEST_CASE("cursor: a text that was not given out is refused, whatever its bytes") {
  const std::string good = to_string(Cursor{1, 2, 3, 4});
  struct {
    std::string text, why;
  } const rows[] = {
      {"", "empty"},
      {good.substr(1), "too short"},
      {good + "A", "too long"},
      {std::string(43, '='), "padding"},
      {std::string(42, 'A') + "+", "the other base64"},
      {std::string(42, 'A') + "B", "spare bits set: two texts for one cursor"},
      {std::string(43, '\0'), "NULs"},
  };
  for (const auto& row : rows) {
    INFO(row.why);
    CHECK_FALSE(parse_cursor(row.text).ok());
  }
}

TEST_CASE("cursor: a changed character never parses to the same cursor") {
  const Cursor cursor{11, 22, 33, 44};
  const std::string good = to_string(cursor);
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string text = good;
    text[i] = text[i] == 'A' ? 'E' : 'A';
    if (text == good) continue;
    const auto parsed = parse_cursor(text);
    if (parsed) CHECK_FALSE(*parsed == cursor);
  }
}
