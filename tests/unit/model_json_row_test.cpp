#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "model/json_row.hpp"

using namespace pgtide;

namespace {

std::string described_row(std::string_view text) {
  const auto row = Row::parse(text);
  if (!row) return "refused";
  std::string out;
  for (const RowMember& member : row->members()) {
    out += std::string(member.column) + "=" + std::string(member.value) + ";";
  }
  return out;
}

}  // namespace

TEST_CASE("row: members keep the text of their values") {
  struct {
    std::string text, expected, why;
  } const rows[] = {
      {"{}", "", "a table without columns"},
      {R"({"id":1,"t":"x"})", R"(id=1;t="x";)", "plain"},
      {R"( { "id" : 1 , "t" : [1, {"a":2}] } )", R"(id=1;t=[1, {"a":2}];)", "spaces"},
      {R"({"n":123456789012345678901234567890.10})", "n=123456789012345678901234567890.10;",
       "a number of any length"},
      {R"({"s":"\ud800"})", R"(s="\ud800";)", "a lone surrogate"},
      {R"({"a\"b":1,"\\":2})", "a\"b=1;\\=2;", "names with escapes"},
      {R"({"s":"}\"{"})", R"(s="}\"{";)", "brackets in a string"},
      {R"({"a":1,"a":2})", "a=1;a=2;", "duplicates are the caller's matter"},
      {"", "refused", "empty"},
      {"[1]", "refused", "no object"},
      {R"({"a":1)", "refused", "not closed"},
      {R"({"a":1,})", "refused", "trailing comma"},
      {R"({"a" 1})", "refused", "no colon"},
      {R"({"a":})", "refused", "no value"},
      {R"({"a":1}x)", "refused", "something after"},
      {R"({a:1})", "refused", "a bare key"},
  };
  for (const auto& row : rows) {
    INFO(row.why);
    CHECK(described_row(row.text) == row.expected);
  }
}

TEST_CASE("row: a digest stands for a value only where the reader of the log withholds some") {
  const std::string text = R"({"id":1,"b":~"ab","t":"~"})";
  CHECK(described_row(text) == "refused");
  const auto row = Row::parse_reduced(text);
  REQUIRE(row.ok());
  REQUIRE(row->members().size() == 3);
  CHECK(row->find("id")->value == "1");
  CHECK(row->find("b")->value.empty());
  CHECK(row->find("b")->digest == R"("ab")");
  CHECK(row->find("t")->value == R"("~")");
  CHECK(row->find("t")->digest.empty());
  for (const char* wrong : {R"({"b":~})", R"({"b":~1})", R"({"b":[~"ab"]})", R"({~"b":1})",
                            R"({"b":~"ab)", R"({"b":~~"ab"})", R"(~"ab")"}) {
    CAPTURE(wrong);
    CHECK(!Row::parse_reduced(wrong).ok());
  }
}

TEST_CASE("row: views stay good when the row is moved") {
  auto parsed = Row::parse(R"({"a\"":1})");
  REQUIRE(parsed.ok());
  const Row moved = std::move(*parsed);
  const RowMember* member = moved.find("a\"");
  REQUIRE(member != nullptr);
  CHECK(member->value == "1");
}

TEST_CASE("check_json: accepts what PostgreSQL prints and nothing that is no JSON") {
  struct {
    std::string text;
    bool good;
    const char* why;
  } const rows[] = {
      {"null", true, "a scalar"},
      {" true ", true, "spaces around"},
      {"-0.5e+10", true, "a number"},
      {std::string(400, '9'), true, "past every double"},
      {R"("\ud800")", true, "a lone surrogate"},
      {R"("\u0000")", true, "an escaped NUL"},
      {R"({"a":[1,2,{"b":[]}],"c":{}})", true, "nested"},
      {std::string(5'000, '[') + std::string(5'000, ']'), true, "deep"},
      {"", false, "empty"},
      {"01", false, "a leading zero"},
      {"+1", false, "a plus"},
      {"1.", false, "no fraction"},
      {".5", false, "no whole part"},
      {"1e", false, "no exponent"},
      {"NaN", false, "not in JSON"},
      {"nullx", false, "a longer word"},
      {"\"a\nb\"", false, "a control character"},
      {R"("\x")", false, "an unknown escape"},
      {R"("\u12g4")", false, "no hex digit"},
      {"\"\xff\"", false, "not UTF-8"},
      {"[1,]", false, "trailing comma"},
      {"[1}", false, "wrong bracket"},
      {R"({"a"})", false, "no value"},
      {"{1:2}", false, "a key that is no string"},
      {"1 2", false, "two values"},
      {"\"abc", false, "not closed"},
      {"\"abc\\", false, "ends in an escape"},
  };
  for (const auto& row : rows) {
    INFO(row.why);
    CHECK(check_json(row.text).ok() == row.good);
  }
}

TEST_CASE("check_json: agrees with a second parser on random texts without surrogates") {
  std::mt19937 random(3);
  const std::string_view pieces[] = {"{",  "}",    "[",    "]",     ",",       ":", "\"a\"", "1",
                                     "-0", "2E-1", "null", "false", "\"\\n\"", " ", "\"",    "x"};
  for (int i = 0; i < 100'000; ++i) {
    std::string text;
    for (std::size_t n = 1 + random() % 9; n > 0; --n) text += pieces[random() % 16];
    INFO(text);
    CHECK(check_json(text).ok() == nlohmann::json::accept(text));
  }
}
