#include <doctest/doctest.h>

#include <random>
#include <set>
#include <string>

#include "auth/base64url.hpp"
#include "auth/sealed_cursors.hpp"

namespace pgtide::test {
namespace {

CursorKey key_of(std::uint8_t first) {
  CursorKey key{};
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(first + i);
  return key;
}

}  // namespace

TEST_CASE("sealed cursors: what one bridge seals another opens, in at most 64 bytes") {
  SealedCursors here;
  SealedCursors there;
  here.use_key(key_of(1));
  there.use_key(key_of(1));
  std::mt19937_64 random(20261130);
  for (int i = 0; i < 1'000; ++i) {
    const Cursor cursor{random(), random() >> (random() % 64), random(),
                        i % 3 == 0 ? Cursor::whole_tick : random()};
    const std::string text = here.seal(cursor);
    REQUIRE(text.size() <= 64);
    CHECK(text == there.seal(cursor));
    const auto opened = there.open(text);
    REQUIRE(opened.ok());
    CHECK(*opened == cursor);
  }
}

TEST_CASE("sealed cursors: neighbours have nothing in common") {
  SealedCursors cursors;
  std::set<std::string> pieces;
  constexpr int neighbours = 200;
  for (std::uint64_t id = 1; id <= neighbours; ++id) {
    const std::string text = cursors.seal({7, 12, 99, id});
    for (std::size_t at = 0; at + 16 <= text.size(); at += 16) pieces.insert(text.substr(at, 16));
  }
  CHECK(pieces.size() == neighbours * std::size_t{4});
}

TEST_CASE("sealed cursors: what is forged, altered or under another key is invalid") {
  SealedCursors cursors;
  cursors.use_key(key_of(1));
  const Cursor cursor{1, 2, 3, 4};
  const std::string good = cursors.seal(cursor);
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string text = good;
    text[at] = text[at] == 'A' ? 'B' : 'A';
    CHECK_MESSAGE(!cursors.open(text).ok(), at);
  }
  struct {
    std::string text;
    const char* why;
  } const rows[] = {
      {"", "empty"},
      {to_string(cursor), "not sealed at all"},
      {good + "A", "longer"},
      {good + good, "twice"},
      {good.substr(0, 63), "shorter"},
      {std::string(64, 'A'), "zeros"},
      {std::string(64, '='), "no base64url"},
      {std::string(1'000'000, 'A'), "a million characters"},
  };
  for (const auto& row : rows) {
    const auto opened = cursors.open(row.text);
    REQUIRE_MESSAGE(!opened.ok(), row.why);
    CHECK_MESSAGE(opened.error().kind == ErrorKind::invalid, row.why);
  }
  cursors.use_key(key_of(2));
  CHECK(!cursors.open(good).ok());
  CHECK(cursors.seal(cursor) != good);
  CHECK(!SealedCursors().open(good).ok());  // a key of chance is nobody's
}

}  // namespace pgtide::test
