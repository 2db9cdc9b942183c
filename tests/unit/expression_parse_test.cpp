#include <doctest/doctest.h>

#include "unit/expression_fixture.hpp"

using namespace pgtide;
using namespace pgtide::test;

TEST_CASE("expression: a fault says where it is and what to write") {
  struct {
    std::string text, faults, why;
  } const rows[] = {
      {"", "0: expected a value, and here the text ends", "empty"},
      {"user.id ==", "10: expected a value, and here the text ends", "cut off"},
      {"user.id = 'a'", "8: write ==", "assignment"},
      {"user.id === 'a'", "8: write ==", "JavaScript"},
      {"a & b | c", "2: write &&\n6: write ||", "two lexical faults at once"},
      {"a and b", "2: write &&", "SQL"},
      {"a or b", "2: write ||", "SQL"},
      {"not a", "0: write !", "SQL"},
      {"a <> b", "3: expected a value, found '>'", "SQL"},
      {"record.n + 1 == 2",
       "9: there is no arithmetic: compare with a value that is computed beforehand", "+"},
      {"record.n -1 == 2",
       "9: there is no arithmetic: compare with a value that is computed beforehand", "-1"},
      {"-record.n == 2",
       "0: there is no arithmetic: a - stands right before the digits of a number only", "minus"},
      {"true // yes", "5: there are no comments in an expression: the file has them", "comment"},
      {"'abc", "0: this text does not end: a ' is missing", "not closed"},
      {"\"a\nb\"",
       "0: this text does not end: a \" is missing\n4: this text does not end: a \" is missing",
       "a line break in a text"},
      {R"('\q')",
       "1: no such escape: there are \\\\ \\' \\\" \\n \\r \\t \\xHH \\uXXXX \\UXXXXXXXX; r'...' "
       "takes "
       "everything as it stands",
       "unknown escape"},
      {R"('\u12')", "1: this escape takes 4 hexadecimal digits", "short escape"},
      {R"('\ud800')", "1: this escape is no character of Unicode", "a surrogate"},
      {R"('\U00110000')", "1: this escape is no character of Unicode", "past the last"},
      {"012", "0: '012' is no number: write it in decimal, like 42, -1.5 or 2e10", "octal"},
      {"record.a < 1e10000000000",
       "11: '1e10000000000' is past every number there is: its exponent is at most 1000000000",
       "too large"},
      {"0x10", "0: '0x10' is no number: write it in decimal, like 42, -1.5 or 2e10", "hexadecimal"},
      {"1u", "0: '1u' is no number: write it in decimal, like 42, -1.5 or 2e10", "a suffix"},
      {"a # b", "2: '#' has no meaning here", "a foreign symbol"},
      {"a é b", "2: 'é' has no meaning here", "a foreign letter"},
      {"\xff", "0: not valid UTF-8", "bytes"},
      {"(a", "2: expected ')' to close the '(' before it, and here the text ends", "not closed"},
      {"[1, 2", "5: expected ']' or ',', and here the text ends", "not closed"},
      {"a b", "2: expected an operator or the end, found 'b'", "two values"},
      {"a AND b", "2: write &&", "SQL"},
      {"a is null", "2: write == null or != null", "SQL"},
      {"a LIKE 'b%'",
       "2: write startsWith, endsWith, contains or matches, as in record.title.startsWith('a')",
       "SQL"},
      {"a ? b", "5: expected ':' between the two results of ?, and here the text ends", "half"},
      {"a.1", "2: expected a name after '.', found '1'", "no name"},
      {"lower(a) == 'x'", "0: there is no function 'lower'", "unknown"},
      {"record.t.startswith('x')", "9: there is no function 'startswith'; did you mean startsWith?",
       "misspelt"},
      {"startsWith(a, 'x')", "0: write x.startsWith('text')", "a method"},
      {"a.string()", "2: write string(x)", "a function"},
      {"size(a, b)", "0: it takes one argument: write size(x)", "too many"},
      {"a.contains()", "2: it takes one argument: write x.contains('text')", "too few"},
      {"now() > 1", "0: there is no now: what a row shows must not change without a change", "now"},
      {"has(a)", "0: has() asks for one member: write has(x.name)", "no member"},
      {"has(a[0])", "0: has() asks for one member: write has(x.name)", "an element"},
      {"nope(a) && nada(b)", "0: there is no function 'nope'\n11: there is no function 'nada'",
       "two at once"},
      {"a.matches(b)", "10: the pattern of matches() must be a text between quotes", "dynamic"},
      {"a.matches('(')", "10: no regular expression (RE2): missing ): (", "no expression"},
      {"a.matches('(a{1000}){1000}')",
       "10: no regular expression (RE2): invalid repetition size: {1000}", "too large"},
      {"a.matches('((a{100}){100}){100}')",
       "10: no regular expression (RE2): invalid repetition size: {100}", "too large"},
      {R"(a.matches(r'((\pL{10}){10}){10}'))",
       "10: no regular expression (RE2): pattern too large - compile failed", "too much memory"},
  };
  for (const auto& row : rows) {
    INFO(row.why, ": ", row.text);
    CHECK(parsed(row.text).faults == row.faults);
  }
}

TEST_CASE("expression: limits are faults, not crashes") {
  const ExpressionLimits filter = filter_limits;
  const auto repeated = [](std::string_view part, int times) {
    std::string out;
    for (int n = 0; n < times; ++n) out += part;
    return out;
  };
  struct {
    std::string text, faults, why;
  } const rows[] = {
      {std::string(1'024, ' '), "1024: expected a value, and here the text ends",
       "as long as may be"},
      {std::string(1'025, ' '), "1024: too long: at most 1024 bytes", "too long"},
      {repeated("(", 1'000), "16: too deep: at most 16 levels in one another", "parentheses"},
      {repeated("!", 1'000) + "a", "16: too many ! in a row", "negations"},
      {repeated("[", 1'000), "16: too deep: at most 16 levels in one another", "lists"},
      {"a" + repeated(".b", 400), "32: too deep: at most 16 levels in one another", "members"},
      {"a" + repeated(" == 1", 30), "77: too deep: at most 16 levels in one another", "a chain"},
      {"a" + repeated(" && a", 62), "", "a long chain of && is not deep"},
      {"a" + repeated(" && a", 64), "320: too long: at most 64 values and operators", "nodes"},
      {"a.matches('" + repeated("[x]", 85) + "')", "", "a pattern as long as may be"},
      {"a.matches('" + repeated("x", 257) + "')", "10: this pattern is too long: at most 256 bytes",
       "a long pattern"},
      {"a.matches('x') && a.matches('y')", "20: too many patterns: at most 1", "two patterns"},
  };
  for (const auto& row : rows) {
    INFO(row.why);
    CHECK(parsed(row.text, filter).faults == row.faults);
  }
}
