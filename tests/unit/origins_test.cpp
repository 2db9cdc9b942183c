#include <doctest/doctest.h>

#include <string>

#include "broker/origins.hpp"
#include "broker_fixture.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

const Origins::Time origins_begin{1'000s};

// How many units it may take at once.
int taken_at_once(Origins& origins, OriginNumber number, Origins::Time now) {
  int taken = 0;
  while (taken < 100'000 && origins.take(number, now, 1)) ++taken;
  return taken;
}

// A page that holds a hundred filters of its own.
std::string hundred_filters(int page) {
  std::string items;
  for (int n = 0; n < 100; ++n) {
    items += (n == 0 ? "" : ",") + (R"({"pattern":"posts.)" + std::to_string(n) +
                                    R"(","filter":"record.id == )" + std::to_string(page) + "\"}");
  }
  return R"({"type":"subscribe","subscriptions":[)" + items + "]}";
}

}  // namespace

TEST_CASE("origins: an address has its own, and what all have is taken by whoever is first") {
  Origins origins(10, 200);
  const auto greedy = origins.enter("a", origins_begin);
  const auto other = origins.enter("b", origins_begin);
  CHECK(taken_at_once(origins, greedy, origins_begin) == 4 * 200 + 20 * 200);
  CHECK(taken_at_once(origins, other, origins_begin) == 4 * 200);
  CHECK(origins.wait(other, 1) == 1ms);
  CHECK(taken_at_once(origins, other, origins_begin + 1s) == 4 * 10 + 100 * 10);
  CHECK(taken_at_once(origins, greedy, origins_begin + 1s) == 4 * 10);
}

TEST_CASE("origins: what an address owes outlives its connections") {
  Origins origins(10, 200);
  const auto first = origins.enter("a", origins_begin);
  const auto second = origins.enter("a", origins_begin);
  CHECK(first == second);
  taken_at_once(origins, first, origins_begin);
  origins.leave(first, origins_begin);
  origins.leave(second, origins_begin);
  for (int turn = 0; turn < 1'000; ++turn) {
    const auto again = origins.enter("a", origins_begin);
    CHECK_FALSE(origins.take(again, origins_begin, 1));
    origins.leave(again, origins_begin);
  }
  CHECK(origins.remembered() == 1);
  origins.enter("b", origins_begin + 19s);
  CHECK(origins.remembered() == 2);
  origins.enter("c", origins_begin + 20s);  // it is full again
  CHECK(origins.remembered() == 2);
}

TEST_CASE("origins: addresses without a connection are remembered up to a number") {
  Origins origins(10, 200);
  const auto here = origins.enter("here", origins_begin);
  const std::size_t many = Origins::gone_max + 1'000;
  for (std::size_t n = 0; n < many; ++n) {
    const auto number = origins.enter(std::to_string(n), origins_begin);
    origins.take(number, origins_begin, 10);
    origins.leave(number, origins_begin);
  }
  CHECK(origins.remembered() == Origins::gone_max + 1);
  CHECK(origins.enter("here", origins_begin) == here);
}

TEST_CASE("broker: filters are paid for by the address, however often it comes again") {
  BrokerOptions options;
  options.address_key = [](std::string_view address) {
    return std::string(address.substr(0, address.find(':')));
  };
  World world(open_policy(), options);
  std::size_t taken = 0;
  Lines last;
  for (int page = 0; page < 100; ++page) {
    const auto number = world.open({}, "192.0.2.1:" + std::to_string(page));
    last = world.ask(number, hundred_filters(page));
    taken += world.patterns(number).size();
    world.broker.close(number);
  }
  CHECK(taken > 800);
  CHECK(taken < 4'400);
  CHECK(last.back().find("too many patterns and filters a second from this address") !=
        std::string::npos);
  const auto plain = world.open({}, "192.0.2.1:101");
  CHECK(world.ask(plain, R"({"type":"ping"})").size() == 1);
  const auto elsewhere = world.open({}, "192.0.2.2:1");
  world.ask(elsewhere, hundred_filters(1));
  CHECK(world.patterns(elsewhere).size() == 100);
}

TEST_CASE("broker: auth takes tokens for each subscription that it decides anew") {
  BrokerOptions options;
  options.verify_token = [](std::string_view token, std::string_view) -> Result<Identity> {
    return Identity{{.id = std::string(token)}, std::nullopt};
  };
  World world(open_policy(), options);
  const auto number = world.open();
  world.say(number, hundred_filters(1));
  CHECK(world.patterns(number).size() == 100);
  world.now += 20s;  // its tokens are there again
  const auto auth = [&](const std::string& who) {
    return world.ask(number, R"({"type":"auth","token":")" + who + "\"}").at(0);
  };
  const auto decided = world.broker.counters().rules_decided;
  CHECK(auth("ann").find("\"authenticated\"") != std::string::npos);
  CHECK(auth("bob").find("\"authenticated\"") != std::string::npos);
  CHECK(world.broker.counters().rules_decided > decided);
  const std::string refused = auth("eve");
  CHECK(refused.find("\"rate_limited\"") != std::string::npos);
  CHECK(refused.find("\"retry_after_ms\":10000") != std::string::npos);
  CHECK(world.broker.record(number).user->id == "bob");
}
