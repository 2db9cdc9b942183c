#include "bridge/connection_limiter.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "bridge/address_key.hpp"

namespace pgtide::test {
namespace {

using Admission = Operator::Admission;
using Arrivals = std::vector<std::optional<Arrival>>;

bool is_spare(const std::optional<Arrival>& arrival) {
  REQUIRE(arrival.has_value());
  return arrival->spare;
}

}  // namespace

TEST_CASE("limits: an address has one key however it is spelled, and an IPv6 network has one") {
  struct {
    std::string one, other;
    bool same;
    const char* why;
  } const rows[] = {
      {"192.0.2.1", "192.0.2.1:443", true, "with a port"},
      {"192.0.2.1", "::ffff:192.0.2.1", true, "mapped into IPv6"},
      {"192.0.2.1", "[::ffff:c000:201]:9", true, "the same in another spelling"},
      {"192.0.2.1", "192.0.2.2", false, "a neighbour"},
      {"2001:db8::1", "2001:DB8:0:0::1", true, "another spelling"},
      {"2001:db8::1", "2001:db8::ffff:0:0:2", true, "another host of the /64"},
      {"2001:db8::1", "[2001:db8::5]:443", true, "in brackets"},
      {"fe80::1%eth0", "fe80::2", true, "with a zone"},
      {"2001:db8::1", "2001:db8:0:1::1", false, "the next /64"},
      {"::1", "127.0.0.1", false, "two loopbacks"},
      {"unknown", "hidden", false, "no addresses"},
      {"", "[", false, "nothing"},
  };
  for (const auto& row : rows) {
    CHECK_MESSAGE((address_key(row.one) == address_key(row.other)) == row.same, row.why);
  }
}

TEST_CASE("limits: a socket counts from its accept on, and once after its upgrade") {
  ConnectionLimiter limiter(2, 0);
  CHECK(limiter.admit("192.0.2.1") == Admission::starting);
  limiter.open();
  auto first = limiter.enter(Entrance::everyone, "192.0.2.1");
  auto second = limiter.enter(Entrance::everyone, "192.0.2.2");
  CHECK(!is_spare(first));
  CHECK(!is_spare(second));
  CHECK(is_spare(limiter.enter(Entrance::everyone, "192.0.2.3")));
  CHECK(limiter.is_full());
  CHECK(limiter.admit("192.0.2.1") == Admission::admitted);
  first.reset();  // it is the WebSocket's now
  auto third = limiter.enter(Entrance::everyone, "192.0.2.3");
  CHECK(is_spare(third));
  CHECK(limiter.admit("192.0.2.3") == Admission::admitted);  // who only rests keeps nobody out
  CHECK(limiter.admit("192.0.2.2") == Admission::too_many);
  limiter.release("192.0.2.1");
  CHECK(limiter.admit("192.0.2.2") == Admission::admitted);
}

TEST_CASE("limits: past the spare part a socket has no place, and each that ends makes one") {
  ConnectionLimiter limiter(16, 0);
  Arrivals held;
  for (auto came = limiter.enter(Entrance::everyone, "192.0.2.1"); came;
       came = limiter.enter(Entrance::everyone, "192.0.2.1")) {
    REQUIRE(held.size() < 1'000);
    held.push_back(std::move(came));
  }
  CHECK(held.size() == 16 + 65 / 2);
  CHECK(limiter.enter(Entrance::operators, "192.0.2.1").has_value());
  held.pop_back();
  CHECK(limiter.enter(Entrance::everyone, "192.0.2.1").has_value());
}

TEST_CASE("limits: half of the spare part is kept for addresses that have less than their share") {
  ConnectionLimiter limiter(16, 0);
  Arrivals crowd, others;
  const auto fill = [&](Arrivals& into, const std::string& address) {
    for (auto came = limiter.enter(Entrance::everyone, address); came;
         came = limiter.enter(Entrance::everyone, address)) {
      REQUIRE(into.size() < 1'000);
      into.push_back(std::move(came));
    }
  };
  fill(crowd, "192.0.2.1");
  fill(others, "192.0.2.2");
  CHECK(others.size() == 16 / 2);  // its share, beside the other's
  fill(others, "192.0.2.3");
  CHECK(others.size() == 16 / 2 + 16 / 3);
  CHECK(limiter.enter(Entrance::everyone, "192.0.2.4").has_value());
}

TEST_CASE("limits: who has clearly fewer than who has the most gets a place of the latter's") {
  ConnectionLimiter limiter(8, 0);
  limiter.open();
  const auto let_in = [&](const std::string& address, int count) {
    for (int n = 0; n < count; ++n) CHECK(limiter.admit(address) == Admission::admitted);
  };
  const auto key = [](const std::string& address) { return std::optional(address_key(address)); };
  let_in("192.0.2.1", 5);
  let_in("192.0.2.2", 3);
  CHECK(!limiter.admit_instead("192.0.2.2"));
  CHECK(limiter.admit_instead("192.0.2.3") == key("192.0.2.1"));  // 4 are left, of whom none left
  CHECK(limiter.admit_instead("192.0.2.3") == key("192.0.2.1"));
  CHECK(!limiter.admit_instead("192.0.2.3"));  // 3, 3 and 2
  CHECK(limiter.admit_instead("192.0.2.4").has_value());
  limiter.release("192.0.2.1");
  limiter.release("192.0.2.1");
  CHECK(!limiter.admit_instead("192.0.2.1"));  // who gave way does not come back for another's
  CHECK(limiter.admit("192.0.2.1") == Admission::too_many);
}

TEST_CASE("limits: an address with one connection loses none, however many newcomers there are") {
  ConnectionLimiter limiter(4, 0);
  limiter.open();
  for (int n = 1; n <= 4; ++n) {
    CHECK(limiter.admit("192.0.2." + std::to_string(n)) == Admission::admitted);
  }
  for (int n = 5; n <= 50; ++n) CHECK(!limiter.admit_instead("192.0.2." + std::to_string(n)));
}

TEST_CASE("limits: where all of an address stay the next one gives way, and none below half") {
  ConnectionLimiter limiter(9, 0);
  limiter.open();
  const auto let_in = [&](const std::string& address, int count) {
    for (int n = 0; n < count; ++n) CHECK(limiter.admit(address) == Admission::admitted);
  };
  const auto key = [](const std::string& address) { return std::optional(address_key(address)); };
  let_in("127.0.0.1", 5);
  let_in("192.0.2.1", 3);
  let_in("192.0.2.2", 1);
  CHECK(limiter.admit_instead("192.0.2.3") == key("127.0.0.1"));
  CHECK(limiter.pick_another("192.0.2.3", *key("127.0.0.1")) == key("192.0.2.1"));
  CHECK(!limiter.admit_instead("192.0.2.2"));
  CHECK(limiter.admit_instead("192.0.2.4") == key("192.0.2.1"));
  CHECK(!limiter.pick_another("192.0.2.4", *key("192.0.2.1")));
}

TEST_CASE("limits: of those that are to leave no more wait than the spare part has") {
  ConnectionLimiter limiter(1'000, 0);
  limiter.open();
  for (int n = 0; n < 1'000; ++n) CHECK(limiter.admit("192.0.2.1") == Admission::admitted);
  int let_in = 0;
  while (limiter.admit_instead("198.51.100." + std::to_string(let_in))) REQUIRE(++let_in < 1'000);
  CHECK(let_in == 64 + 1'000 / 16);
}

TEST_CASE("limits: a /64 counts as one address, before the upgrade and after it") {
  ConnectionLimiter limiter(1'000, 2);
  limiter.open();
  Arrivals held;
  for (int n = 0; n < 10; ++n) {
    held.push_back(limiter.enter(Entrance::everyone, "2001:db8::" + std::to_string(n + 1)));
    CHECK(is_spare(held.back()) == (n >= 2));
  }
  CHECK(!limiter.enter(Entrance::everyone, "2001:db8::99").has_value());
  CHECK(!limiter.is_full());  // nobody else gives way for it
  CHECK(!is_spare(limiter.enter(Entrance::everyone, "2001:db8:1::1")));
  CHECK(limiter.admit("2001:db8::1") == Admission::admitted);
  CHECK(limiter.admit("2001:db8::2") == Admission::admitted);
  CHECK(limiter.admit("2001:db8::3") == Admission::too_many_from_address);
  CHECK(limiter.admit("2001:db8:1::3") == Admission::admitted);
  held.clear();
  CHECK(is_spare(limiter.enter(Entrance::everyone, "2001:db8::4")));
  limiter.release("2001:db8:0:0::7");
  CHECK(limiter.admit("2001:db8::3") == Admission::admitted);
}

TEST_CASE("limits: behind a proxy the client counts, not the proxy") {
  ConnectionLimiter limiter(1'000, 1);
  limiter.open();
  Arrivals held;
  for (int n = 0; n < 20; ++n) {
    held.push_back(limiter.enter(Entrance::everyone, ""));
    CHECK(!is_spare(held.back()));
  }
  CHECK(limiter.admit("192.0.2.1") == Admission::admitted);
  CHECK(limiter.admit("192.0.2.1") == Admission::too_many_from_address);
  CHECK(limiter.admit("192.0.2.2") == Admission::admitted);
}

}  // namespace pgtide::test
