#include <doctest/doctest.h>

#include <random>

#include "model/pattern.hpp"

using namespace pgtide;

namespace {

using PatternKind = Pattern::Kind;

std::string described_pattern(std::string_view text) {
  const auto pattern = parse_pattern(text);
  if (!pattern) return "refused";
  const char* kind = pattern->kind == PatternKind::everything   ? "everything"
                     : pattern->kind == PatternKind::collection ? "collection"
                                                         : "record";
  return std::string(kind) + "|" + pattern->collection + "|" + pattern->record_id;
}

}  // namespace

TEST_CASE("pattern: every text is one of three kinds or refused") {
  struct {
    std::string text, expected, why;
  } const rows[] = {
      {"*", "everything||", "all collections"},
      {"posts.*", "collection|posts|", "all records"},
      {"posts.123", "record|posts|123", "one record"},
      {"posts.a.b.*", "record|posts|a.b.*", "split at the first dot"},
      {"_p9.x", "record|_p9|x", "underscore and digits"},
      {"posts..", "record|posts|.", "an id may be a dot"},
      {"posts.**", "record|posts|**", "only a single star is the collection"},
      {"posts.\xc3\xa9", "record|posts|\xc3\xa9", "UTF-8 in an id"},
      {"posts. ", "record|posts| ", "a space is no control character"},
      {std::string(63, 'a') + ".1", "record|" + std::string(63, 'a') + "|1", "longest name"},
      {"p." + std::string(256, 'x'), "record|p|" + std::string(256, 'x'), "longest id"},
      {"", "refused", "empty"},
      {"posts", "refused", "no dot"},
      {"posts.", "refused", "empty id"},
      {".1", "refused", "empty collection"},
      {".*", "refused", "empty collection"},
      {"*.*", "refused", "a star is no name"},
      {"9a.1", "refused", "a digit first"},
      {"po-sts.*", "refused", "a hyphen"},
      {"p\xc3\xb6sts.*", "refused", "names are ASCII"},
      {std::string(64, 'a') + ".1", "refused", "name too long"},
      {"p." + std::string(257, 'x'), "refused", "id too long"},
      {"p.a\nb", "refused", "control character"},
      {std::string("p.a\0b", 5), "refused", "NUL"},
      {"p.a\x7f", "refused", "DEL"},
      {"p.a\xc2\x85", "refused", "C1 control character"},
      {"p.\xff", "refused", "not UTF-8"},
      {"p.\xed\xa0\x80", "refused", "a surrogate in UTF-8"},
  };
  for (const auto& row : rows) {
    INFO(row.why);
    CHECK(described_pattern(row.text) == row.expected);
  }
}

TEST_CASE("pattern: what parses prints as it was written, over random bytes") {
  std::mt19937 random(1);
  const std::string letters = "ab_9.*\\, \x01\xc3\xa9\xff";
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (std::size_t n = random() % 8; n > 0; --n) text += letters[random() % letters.size()];
    const auto pattern = parse_pattern(text);
    if (pattern) CHECK(to_string(*pattern) == text);
  }
}
