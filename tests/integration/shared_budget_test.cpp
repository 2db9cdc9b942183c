#include "bridge/shared_budget.hpp"

#include <doctest/doctest.h>

#include <string>

namespace pgtide::test {
namespace {

using namespace std::chrono_literals;

const SharedBudget::Time first_time{1'000s};

std::string address_of(int number) { return "192.0.2." + std::to_string(number); }

// How many of `addresses` may spend one each, each asked once, one after the other.
int spend_each(SharedBudget& budget, int addresses, SharedBudget::Time now) {
  int spent = 0;
  for (int n = 0; n < addresses; ++n) {
    if (!budget.has_left(address_of(n), now)) continue;
    budget.spend(address_of(n), now, 1);
    ++spent;
  }
  return spent;
}

}  // namespace

TEST_CASE("addresses: a crowd of them spends no more than one that is allowed most, twice") {
  SharedBudget budget({100, 100}, {100, 100}, 10s);
  CHECK(spend_each(budget, 80, first_time) == 80);
  CHECK(spend_each(budget, 80, first_time) == 20);   // what is left for all
  CHECK(spend_each(budget, 80, first_time) == 0);    // none of them is new
  CHECK(budget.has_left("198.51.100.1", first_time));
  CHECK(spend_each(budget, 250, first_time) == 100);  // of those that are new, as many again
  CHECK(!budget.has_left("198.51.100.1", first_time));
  CHECK(spend_each(budget, 250, first_time + 500ms) == 100);  // both have half of it again
  CHECK(spend_each(budget, 200, first_time + 1h) == 200);
}

TEST_CASE("addresses: past what all may spend, each may once in its interval") {
  SharedBudget budget({0, 0}, {0.001, 1}, 10s);
  budget.spend(address_of(1), first_time, 2);  // more than there is
  CHECK(!budget.has_left(address_of(1), first_time));
  CHECK(budget.has_left(address_of(2), first_time));
  CHECK(!budget.has_left(address_of(1), first_time + 9s));
  CHECK(budget.has_left(address_of(1), first_time + 11s));
}

TEST_CASE("addresses: what one may spend holds besides, and no rate is no limit") {
  SharedBudget each({1, 1}, {0, 0}, 10s);
  each.spend(address_of(1), first_time, 1);
  CHECK(!each.has_left(address_of(1), first_time));
  CHECK(each.has_left(address_of(2), first_time));
  SharedBudget none({0, 0}, {0, 0}, 10s);
  CHECK(spend_each(none, 250, first_time) == 250);
  CHECK(spend_each(none, 250, first_time) == 250);
}

}  // namespace pgtide::test
