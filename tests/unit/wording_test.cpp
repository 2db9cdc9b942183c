#include "model/wording.hpp"

#include <doctest/doctest.h>

using namespace pgtide;

TEST_CASE("wording: text of others stays in its line, and shows all that it is") {
  struct Case {
    std::string text;
    std::string shown;
    const char* why;
  };
  const std::string mark = "\xef\xbf\xbd";
  const Case cases[] = {
      {"posts", "posts", "plain"},
      {"", "", "nothing"},
      {"Grüße, 你好 \xf0\x9f\x8c\x8a", "Grüße, 你好 \xf0\x9f\x8c\x8a", "all scripts"},
      {"a\nb\r\tc", "a" + mark + "b" + mark + mark + "c", "line ends"},
      {"\x1b[31m\x7f", mark + "[31m" + mark, "an escape"},
      {"\xc2\x9b"
       "31m",
       mark + "31m", "the same in one character"},
      {"a\xe2\x80\xae"
       "b\xe2\x81\xa6"
       "c",
       "a" + mark + "b" + mark + "c", "turns the direction"},
      {"a\xe2\x80\xa8"
       "b\xe2\x80\xa9",
       "a" + mark + "b" + mark, "line and paragraph ends"},
      {"a\xe2\x80\x8b"
       "b\xef\xbb\xbf",
       "a" + mark + "b" + mark, "not seen"},
      {"\xf3\xa0\x81\xa1", mark, "a tag"},
      {"\xe2\x80\x8d", "\xe2\x80\x8d", "a joiner, which scripts need"},
      {"\xff"
       "a\xc3",
       mark + "a" + mark, "no UTF-8"},
      {std::string("\0", 1), mark, "zero"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.why);
    CHECK(one_line(one.text) == one.shown);
  }
  CHECK(clean_lines("a\x1b\nb\n", "  ") == "a" + mark + "\n  b\n  ");
  CHECK(clean_lines("a") == "a");
}

TEST_CASE("wording: a word of a command is that word to a shell") {
  CHECK(shell_word("public.posts") == "public.posts");
  CHECK(shell_word("--key=a,b") == "--key=a,b");
  CHECK(shell_word("") == "''");
  CHECK(shell_word("two words") == "'two words'");
  CHECK(shell_word("it's") == "'it'\\''s'");
  CHECK(shell_word("$(x)`y`\"z\\") == "'$(x)`y`\"z\\'");
  CHECK(shell_word("~") == "'~'");
  CHECK(shell_word("gr\xc3\xbc\xc3\x9f"
                   "e") ==
        "'gr\xc3\xbc\xc3\x9f"
        "e'");
}

TEST_CASE("wording: a table's name is that name to SQL") {
  CHECK(sql_name("posts_2") == "posts_2");
  CHECK(sql_name("Posts") == "\"Posts\"");
  CHECK(sql_name("2posts") == "\"2posts\"");
  CHECK(sql_name("a\"b") == "\"a\"\"b\"");
  CHECK(sql_name("") == "\"\"");
}
