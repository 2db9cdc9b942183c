#include "model/line_limit.hpp"

#include <doctest/doctest.h>

using namespace pgtide;
using namespace std::chrono_literals;

TEST_CASE("line limit: so many lines a period, and the next one tells how many were left out") {
  LineLimit limit(2, 10s);
  const LineLimit::Time begin{};
  CHECK(limit.admit(begin) == 0);
  CHECK(limit.admit(begin + 9s) == 0);
  CHECK(!limit.admit(begin + 9s));
  CHECK(!limit.admit(begin + 9'999ms));
  CHECK(limit.admit(begin + 10s) == 2);
  CHECK(limit.admit(begin + 19s) == 0);
  CHECK(!limit.admit(begin + 19s));
  CHECK(limit.admit(begin + 60s) == 1);
}
