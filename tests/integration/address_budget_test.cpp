#include "bridge/address_budget.hpp"

#include <doctest/doctest.h>

#include <string>

namespace pgtide::test {
namespace {

using namespace std::chrono_literals;

const AddressBudget::Time begin{1'000s};

void exhaust(AddressBudget& budget, const std::string& address, AddressBudget::Time now) {
  for (int n = 0; n < 64; ++n) {
    CHECK(budget.has_left(address, now));
    budget.spend(address, now, 1);
  }
}

}  // namespace

TEST_CASE("addresses: each spends so much at once, then as much as comes in") {
  AddressBudget budget(20, 64);
  exhaust(budget, "192.0.2.1", begin);
  CHECK(!budget.has_left("192.0.2.1", begin));
  CHECK(!budget.has_left("192.0.2.1:80", begin));
  CHECK(!budget.has_left("::ffff:192.0.2.1", begin));
  CHECK(budget.has_left("192.0.2.2", begin));
  CHECK(budget.has_left("192.0.2.1", begin + 50ms));
  budget.spend("192.0.2.1", begin + 50ms, 11);  // more than there is: it is paid off first
  CHECK(!budget.has_left("192.0.2.1", begin + 540ms));
  CHECK(budget.has_left("192.0.2.1", begin + 560ms));
  exhaust(budget, "192.0.2.1", begin + 1h);
  CHECK(!budget.has_left("192.0.2.1", begin + 1h));
}

TEST_CASE("addresses: a rate of nothing is no limit") {
  AddressBudget budget(0, 1);
  exhaust(budget, "192.0.2.1", begin);
  CHECK(budget.has_left("192.0.2.1", begin));
}

TEST_CASE("addresses: an IPv6 network has one budget") {
  AddressBudget budget(20, 64);
  for (int n = 0; n < 64; ++n) budget.spend("2001:db8::" + std::to_string(n + 1), begin, 1);
  CHECK(!budget.has_left("2001:db8::ffff", begin));
  CHECK(budget.has_left("2001:db8:0:1::ffff", begin));
}

TEST_CASE("addresses: more than are remembered share a budget till some are forgotten") {
  AddressBudget budget(20, 64);
  for (std::size_t n = 0; n < AddressBudget::addresses_max; ++n) {
    budget.spend("10." + std::to_string(n / 65'536) + "." + std::to_string(n / 256 % 256) + "." +
                     std::to_string(n % 256),
                 begin, 1);
  }
  for (int n = 0; n < 64; ++n) {
    const std::string address = "192.0.2." + std::to_string(n);
    CHECK(budget.has_left(address, begin));
    budget.spend(address, begin, 1);
  }
  CHECK(!budget.has_left("192.0.2.250", begin));
  CHECK(budget.has_left("10.0.0.1", begin));
  budget.spend("192.0.2.250", begin + 10s, 1);  // all are forgotten
  exhaust(budget, "192.0.2.251", begin + 10s);
  CHECK(budget.has_left("192.0.2.252", begin + 10s));
}

}  // namespace pgtide::test
