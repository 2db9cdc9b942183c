#include "bridge/refusal_budget.hpp"

#include <doctest/doctest.h>

#include <string>

namespace pgtide::test {
namespace {

using namespace std::chrono_literals;

const RefusalBudget::Time begin{1'000s};

void exhaust(RefusalBudget& budget, const std::string& address, RefusalBudget::Time now) {
  for (int n = 0; n < 64; ++n) {
    CHECK(budget.has_left(address, now));
    budget.spend(address, now);
  }
}

}  // namespace

TEST_CASE("refusals: an address may be wrong so often, then it waits") {
  RefusalBudget budget;
  exhaust(budget, "192.0.2.1", begin);
  CHECK(!budget.has_left("192.0.2.1", begin));
  CHECK(!budget.has_left("192.0.2.1:80", begin));
  CHECK(!budget.has_left("::ffff:192.0.2.1", begin));
  CHECK(budget.has_left("192.0.2.2", begin));
  CHECK(!budget.has_left("192.0.2.1", begin + 49ms));
  CHECK(budget.has_left("192.0.2.1", begin + 50ms));
  budget.spend("192.0.2.1", begin + 50ms);
  CHECK(!budget.has_left("192.0.2.1", begin + 50ms));
  exhaust(budget, "192.0.2.1", begin + 1h);
  CHECK(!budget.has_left("192.0.2.1", begin + 1h));
}

TEST_CASE("refusals: an IPv6 network has one budget") {
  RefusalBudget budget;
  for (int n = 0; n < 64; ++n) budget.spend("2001:db8::" + std::to_string(n + 1), begin);
  CHECK(!budget.has_left("2001:db8::ffff", begin));
  CHECK(budget.has_left("2001:db8:0:1::ffff", begin));
}

TEST_CASE("refusals: more addresses than are remembered share a budget till some are forgotten") {
  RefusalBudget budget;
  for (std::size_t n = 0; n < RefusalBudget::addresses_max; ++n) {
    budget.spend("10." + std::to_string(n / 65'536) + "." + std::to_string(n / 256 % 256) + "." +
                     std::to_string(n % 256),
                 begin);
  }
  for (int n = 0; n < 64; ++n) {
    const std::string address = "192.0.2." + std::to_string(n);
    CHECK(budget.has_left(address, begin));
    budget.spend(address, begin);
  }
  CHECK(!budget.has_left("192.0.2.250", begin));
  CHECK(budget.has_left("10.0.0.1", begin));
  budget.spend("192.0.2.250", begin + 10s);  // all are forgotten
  exhaust(budget, "192.0.2.251", begin + 10s);
  CHECK(budget.has_left("192.0.2.252", begin + 10s));
}

}  // namespace pgtide::test
