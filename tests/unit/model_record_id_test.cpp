#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "model/record_id.hpp"

using namespace pgtide;

TEST_CASE("record id: one column is never escaped, several always") {
  struct {
    std::vector<std::string> values;
    std::string expected, why;
  } const rows[] = {
      {{"17"}, "17", "a number"},
      {{"a,b\\c"}, "a,b\\c", "one column"},
      {{"a", "b"}, "a,b", "two"},
      {{"a,b", "c"}, "a\\,b,c", "a comma inside"},
      {{"a\\", "b"}, "a\\\\,b", "a backslash inside"},
      {{"", ""}, ",", "empty values"},
  };
  for (const auto& row : rows) {
    INFO(row.why);
    CHECK(make_record_id(row.values) == row.expected);
  }
}
