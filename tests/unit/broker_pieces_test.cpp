#include <doctest/doctest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "broker/memory_account.hpp"
#include "broker_fixture.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

const std::string at_start = to_string(Cursor{9, 0, 0});

BrokerOptions no_rate() {
  return {.limits = {.requests_per_second = 0}};
}

// So many patterns with a filter each, in one message.
std::string filtered_patterns(int count, const std::string& filter) {
  std::string items;
  for (int n = 1; n <= count; ++n) {
    items += (n == 1 ? "" : ",") + (R"({"pattern":"posts.)" + std::to_string(n) +
                                    R"(","filter":")" + filter + "\"}");
  }
  return R"({"type":"subscribe","id":7,"subscriptions":[)" + items + "]}";
}

std::string row_of(int id) { return R"({"id":)" + std::to_string(id) + R"(,"title":"t"})"; }

}  // namespace

TEST_CASE("pieces: a message of many filters is answered a few at a time, of patterns more") {
  struct {
    std::string filter;
    std::size_t most;  // replies in a piece
    const char* why;
  } const rows[] = {
      {"record.id == 1", 8, "small filters"},
      {"record.id == 1" + std::string(1'000, ' '), 2, "long ones"},
      {"record.title.matches('^t')", 2, "regular expressions"},
      {"record.nothing", 8, "refused"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    World world(open_policy(), no_rate());
    const auto reader = world.open();
    Reply reply = world.broker.receive(reader, filtered_patterns(20, row.filter), world.now);
    std::size_t answered = 0;
    for (;;) {
      const std::size_t in_piece = payloads(reply.frames).size();
      CHECK(in_piece <= row.most);
      answered += in_piece;
      if (!reply.unfinished) break;
      reply = world.broker.go_on(reader, world.now);
    }
    CHECK(answered == 20);
  }
  World world(open_policy(), no_rate());
  std::string items = R"({"pattern":"posts.0"})";
  for (int n = 1; n < 70; ++n) items += R"(,{"pattern":"posts.)" + std::to_string(n) + "\"}";
  CHECK_FALSE(world.broker
                  .receive(world.open(), R"({"type":"subscribe","subscriptions":[)" + items + "]}",
                           world.now)
                  .unfinished);
}

TEST_CASE("pieces: what comes between two is sent to the patterns that are answered, no others") {
  World world(open_policy(), no_rate());
  const auto reader = world.open();
  const auto take = [&](const Reply& reply) {
    for (auto& line : payloads(reply.frames)) world.got[reader].push_back(std::move(line));
    return reply.unfinished;
  };
  world.got[reader].clear();
  REQUIRE(take(world.broker.receive(reader, filtered_patterns(20, "record.id > 0"), world.now)));
  std::size_t pieces = 1;
  const auto deliver_all = [&] {
    // One of each pattern: those that are answered get theirs, and no others.
    std::vector<Event> events;
    for (int n = 1; n <= 20; ++n) events.push_back(created("posts", std::to_string(n), row_of(n)));
    world.deliver(std::move(events));
  };
  deliver_all();
  while (take(world.broker.go_on(reader, world.now))) {
    ++pieces;
    deliver_all();
  }
  REQUIRE(pieces == 2);
  deliver_all();
  // Read as a client does: after `subscribed` with a cursor, every later event, and none before.
  std::map<std::string, std::uint64_t> live;  // by pattern: the tick of its cursor
  std::map<std::string, std::vector<std::uint64_t>> ticks;
  std::vector<std::string> order;
  for (const auto& line : world.got[reader]) {
    const auto json = nlohmann::json::parse(line);
    const auto cursor = parse_cursor(json.at("cursor").get<std::string>());
    REQUIRE(cursor.ok());
    if (json.at("type") == "subscribed") {
      CHECK(json.at("id") == 7);
      order.push_back(json.at("pattern"));
      live[order.back()] = cursor->tick;
      continue;
    }
    const std::string pattern = json.at("patterns").at(0);
    REQUIRE(live.contains(pattern));
    CHECK(cursor->tick > live[pattern]);
    ticks[pattern].push_back(cursor->tick);
  }
  REQUIRE(order.size() == 20);
  for (int n = 1; n <= 20; ++n) {
    const std::string pattern = "posts." + std::to_string(n);
    CHECK(order[static_cast<std::size_t>(n - 1)] == pattern);
    std::vector<std::uint64_t> due;
    for (std::uint64_t tick = live[pattern] + 1; tick <= 3; ++tick) due.push_back(tick);
    CHECK(ticks[pattern] == due);
  }
  CHECK(live["posts.1"] == 0);
  CHECK(live["posts.20"] == 2);
}

TEST_CASE("pieces: rules that come between two decide what is still to be answered, and the rest") {
  World world(make_policy({public_rule("posts")}), no_rate());
  const auto reader = world.open();
  Reply reply = world.broker.receive(reader, filtered_patterns(20, "record.id > 0"), world.now);
  REQUIRE(reply.unfinished);
  const std::size_t before = payloads(reply.frames).size();
  CHECK(world.broker.subscription_count() == before);
  // Nobody but users may see posts from now on.
  CollectionRule closed = public_rule("posts");
  closed.subscribe.kind = Audience::Kind::authenticated;
  world.take(world.broker.replace_policy(make_policy({closed}, all_tables(), false)));
  CHECK(world.broker.subscription_count() == 0);
  std::size_t refused = 0;
  while (reply.unfinished) {
    reply = world.broker.go_on(reader, world.now);
    for (const auto& line : payloads(reply.frames)) {
      ++refused;
      CHECK(nlohmann::json::parse(line).at("code") == "unauthenticated");
    }
  }
  CHECK(before + refused == 20);
  CHECK(world.broker.subscription_count() == 0);
}

TEST_CASE("pieces: a connection that ends between two leaves nothing, and its number is free") {
  MemoryAccount memory(0);
  BrokerOptions options = no_rate();
  options.memory = &memory;
  World world(open_policy(), options);
  const auto reader = world.open();
  const std::string asked = filtered_patterns(20, "record.id > 0");
  REQUIRE(world.broker.receive(reader, asked, world.now).unfinished);
  CHECK(memory.used(MemoryKind::messages) > 0);
  world.broker.close(reader);
  CHECK(memory.used() == 0);
  const auto next = world.open();
  CHECK(next == reader);
  CHECK(world.ask(next, World::subscribe("posts.*")) ==
        Lines{R"({"type":"subscribed","pattern":"posts.*","cursor":")" + at_start + "\"}"});
  CHECK(world.patterns(next) == Lines{"posts.*"});
}
