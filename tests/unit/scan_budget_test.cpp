#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "broker_fixture.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

std::string row_of(std::string_view part, int times) {
  std::string all;
  for (int n = 0; n < times; ++n) all += part;
  return all;
}
std::string filtering(const std::string& pattern, const std::string& filter) {
  return R"({"type":"subscribe","pattern":")" + pattern + R"(","filter":")" + filter + "\"}";
}
std::string post_json(int id, const std::string& title) {
  return R"({"id":)" + std::to_string(id) + R"(,"title":")" + title + R"(","email":null})";
}

// A world whose second is the test's, and whose ended filters are told.
class Scene {
 public:
  explicit Scene(BrokerLimits limits = {})
      : world(open_policy(), options_of(limits, *clock_)) {}

  // Who holds these filters of posts.*, posts.1 and so on.
  ConnectionNumber reader(const Lines& filters, const std::string& address = "") {
    const auto number = world.open({}, address);
    int id = 0;
    for (const std::string& filter : filters) {
      const std::string pattern = id == 0 ? "posts.*" : "posts." + std::to_string(id);
      world.say(number, filtering(pattern, filter));
      REQUIRE(world.taken(number).back().find("subscribed") != std::string::npos);
      ++id;
    }
    return number;
  }
  void deliver(std::vector<Event> events) {
    world.deliver(std::move(events));
    world.take(world.broker.take_ended());
  }
  // The kinds of what it was told: "record_event", "filter_limit posts.*".
  Lines told(ConnectionNumber number) {
    Lines kinds;
    for (const std::string& line : world.taken(number)) {
      const bool event = line.find("record_event") != std::string::npos;
      const bool limit = line.find("\"filter_limit\"") != std::string::npos;
      const auto at = line.find("\"pattern\":\"") + 11;
      kinds.push_back(event   ? "record_event"
                      : limit ? "filter_limit " + line.substr(at, line.find('"', at) - at)
                              : line);
    }
    return kinds;
  }
  std::uint64_t steps() const { return world.broker.counters().filter_steps; }
  std::uint64_t ended() const { return world.broker.counters().filters_ended; }

 private:
  static BrokerOptions options_of(BrokerLimits limits, const std::chrono::seconds& clock) {
    limits.requests_per_second = 0;
    return {.limits = limits,
            .clock = [&clock] { return std::chrono::steady_clock::time_point(clock); }};
  }
  std::unique_ptr<std::chrono::seconds> clock_ = std::make_unique<std::chrono::seconds>(1'000);

 public:
  World world;
  std::chrono::seconds& clock = *clock_;
};

// Some are asked of a row of 100 bytes in ten steps, others in hundreds.
const std::string light_filter = "record.id > 0";
std::string heavy_filter(int n) {
  return "record.title.contains('x" + std::to_string(n) + "') || record.id > 0";
}
// Asked of a huge title in all but what one connection may take for an event.
std::string greedy_filter(int n) {
  std::string filter;
  for (int part = 0; part < 5; ++part) {
    const std::string sought = std::to_string(n) + "y" + std::to_string(part);
    filter += "record.title.contains('x" + sought + "') || ";
  }
  return filter + "record.id > 0";
}
const std::string huge_title = row_of("a", 60'000);

}  // namespace

TEST_CASE("filter steps: a filter is counted once, however many hold it, and a rule is not") {
  Scene scene;
  scene.reader({light_filter});
  scene.deliver({created("posts", "1", post_json(1, "a"))});
  const auto one = scene.steps();
  CHECK(one > 0);
  CHECK(one < 20);
  for (int n = 0; n < 9; ++n) scene.reader({light_filter});
  scene.deliver({created("posts", "2", post_json(2, "a"))});
  CHECK(scene.steps() == 2 * one);
  scene.reader({"record.id == 2"});  // found, and asked nothing
  scene.deliver({created("posts", "2", post_json(2, "a"))});
  CHECK(scene.steps() == 3 * one);

  CollectionRule rule = public_rule("posts");
  auto where = Expression::parse("record.id > 0");
  rule.where = RuleExpression{std::get<0>(where), std::vector<SourcePlace>(100)};
  World ruled(make_policy({rule}));
  const auto reader = ruled.subscriber({"posts.*"});
  ruled.deliver({created("posts", "1", post_json(1, "a"))});
  CHECK(ruled.taken(reader).size() == 1);
  CHECK(ruled.broker.counters().filter_steps == 0);
}

TEST_CASE("filter steps: one that takes too many for an event ends, and others go on") {
  Scene scene;
  const std::string greedy_filter = "record.title.contains('" + row_of("a", 600) + "b')";
  const auto greedy = scene.reader({greedy_filter, light_filter});
  const auto other = scene.reader({light_filter});
  scene.deliver({created("posts", "1", post_json(1, row_of("a", 60'000)))});
  CHECK(scene.told(greedy) == Lines{"record_event", "filter_limit posts.*"});
  CHECK(scene.told(other) == Lines{"record_event"});
  CHECK(scene.ended() == 1);
  CHECK(scene.world.patterns(greedy) == Lines{"posts.1"});
  constexpr auto code = static_cast<std::size_t>(WireCode::filter_limit);
  CHECK(scene.world.broker.counters().errors[code] == 1);
  scene.deliver({created("posts", "1", post_json(1, "a"))});
  CHECK(scene.told(greedy) == Lines{"record_event"});
  CHECK(scene.told(other) == Lines{"record_event"});
}

TEST_CASE("filter steps: all filters of a connection pay for one event together") {
  Scene scene;
  Lines many;
  for (int n = 0; n < 10; ++n) many.push_back(heavy_filter(n));
  const auto greedy = scene.world.open();
  for (const std::string& filter : many) {  // all of posts.1, so that one event asks each of them
    scene.world.say(greedy, filtering("posts.1", filter));
    scene.world.say(greedy, filtering("posts.*", filter));
  }
  const auto few = scene.reader({heavy_filter(1)});
  scene.world.taken(greedy);
  scene.deliver({created("posts", "1", post_json(1, huge_title))});
  CHECK(scene.ended() == 0);  // two of them are not too many
  scene.told(few);
  Scene crowded({.filter_steps_per_event = 3'000});
  const auto over = crowded.reader({heavy_filter(1), heavy_filter(2)});
  crowded.deliver({created("posts", "1", post_json(1, huge_title))});
  CHECK(crowded.ended() == 1);
  CHECK(crowded.world.patterns(over).size() == 1);
}

TEST_CASE("filter steps: in a batch of many events none is asked once it has ended") {
  Scene scene({.filter_steps_per_event = 1'000});
  scene.reader({heavy_filter(1)});
  std::vector<Event> events;
  for (int n = 0; n < 500; ++n) events.push_back(created("posts", "1", post_json(1, huge_title)));
  scene.deliver(std::move(events));
  CHECK(scene.ended() == 1);
  CHECK(scene.steps() <= 1'000);
}

TEST_CASE("filter steps: a filter ends for who cannot pay, and goes on for who shares it") {
  Scene scene({.filter_steps_per_event = 3'000});
  const auto greedy = scene.reader({heavy_filter(1), heavy_filter(2)});
  const auto modest = scene.reader({heavy_filter(1)});
  const auto other = scene.world.open();
  scene.world.say(other, filtering("posts.1", heavy_filter(2)));
  scene.world.taken(other);
  scene.deliver({created("posts", "1", post_json(1, huge_title))});
  CHECK(scene.ended() == 1);
  CHECK(scene.world.patterns(greedy).size() == 1);
  CHECK(scene.told(modest) == Lines{"record_event"});
  CHECK(scene.told(other) == Lines{"record_event"});
}

TEST_CASE("filter steps: an event takes so many at the most, and small filters stay") {
  Scene scene;
  const auto modest = scene.reader({light_filter});
  std::vector<ConnectionNumber> crowd;
  for (int n = 0; n < 100; ++n) crowd.push_back(scene.reader({heavy_filter(n)}));
  const auto late = scene.reader({"record.id > -1"});
  scene.deliver({created("posts", "1", post_json(1, row_of("a", 100'000)))});
  CHECK(scene.steps() <= 3 * 3 * 10'000);
  CHECK(scene.ended() >= 50);
  CHECK(scene.told(modest) == Lines{"record_event"});
  CHECK(scene.told(late) == Lines{"record_event"});
}

TEST_CASE("filter steps: none is asked of a row that the rule hides, nor pays for the rule") {
  struct Case {
    const char* why;
    const char* rule;
    const char* row;
  };
  const Case cases[] = {
      {"false", "record.id > 5", R"({"id":1,"email":null)"},
      {"an error: null", "int(record.email) > 5", R"({"id":1,"email":null)"},
      {"an error: no number", "int(record.email) > 5", R"({"id":1,"email":"abc")"},
      {"an error in one part of two", "record.id > 0 && int(record.email) > 5",
       R"({"id":1,"email":"abc")"},
      {"an error and a false one", "int(record.email) > 5 || record.id > 5",
       R"({"id":1,"email":"abc")"},
      {"costly", "record.title.contains('none') || record.title.contains('nobody')",
       R"({"id":1,"email":null)"},
  };
  for (const Case& one : cases) {
    CAPTURE(std::string(one.why));
    CollectionRule rule = public_rule("posts");
    const std::string text = one.rule;
    rule.where = RuleExpression{std::get<0>(Expression::parse(text)),
                                std::vector<SourcePlace>(text.size() + 1)};
    World world(make_policy({rule}));
    const auto reader = world.open();
    world.say(reader, filtering("posts.*", greedy_filter(1)));
    REQUIRE(world.taken(reader).back().find("subscribed") != std::string::npos);
    const std::string title = R"(,"title":")" + huge_title + huge_title + "\"}";
    world.deliver({created("posts", "1", one.row + title)});
    world.take(world.broker.take_ended());
    CHECK(world.taken(reader) == Lines{});
    CHECK(world.broker.counters().filter_steps == 0);
  }
}

TEST_CASE("filter steps: many small filters are all asked, whatever they take together") {
  Scene scene({.filter_steps_per_event = 100});
  std::string several = "record.id > 0";
  for (int n = 0; n < 9; ++n) several += " && record.id != " + std::to_string(n + 10);
  for (int n = 0; n < 50; ++n) {
    scene.reader({several + " && record.id != " + std::to_string(n + 100)});
  }
  scene.deliver({created("posts", "1", post_json(1, "a"))});
  CHECK(scene.ended() == 0);
  CHECK(scene.steps() > 3 * 100);
}

TEST_CASE("filter steps: past those of a second who took the most is cut off until the next") {
  Scene scene({.filter_steps_per_second = 30'000});
  const auto greedy = scene.reader({heavy_filter(1)});
  const auto modest = scene.reader({light_filter});
  const auto event = [] { return created("posts", "1", post_json(1, huge_title)); };
  int told = 0;
  for (; told < 100 && scene.ended() == 0; ++told) scene.deliver({event()});
  CHECK(told > 5);
  CHECK(told < 30);
  CHECK(scene.told(greedy).back() == "filter_limit posts.*");
  const Lines heard = scene.told(modest);
  CHECK(heard == Lines(static_cast<std::size_t>(told), "record_event"));
  // Within the second it may subscribe again, and is asked nothing.
  scene.world.say(greedy, filtering("posts.*", heavy_filter(3)));
  scene.told(greedy);
  scene.deliver({event()});
  CHECK(scene.told(greedy) == Lines{"filter_limit posts.*"});
  scene.clock += 1s;
  scene.world.say(greedy, filtering("posts.*", heavy_filter(3)));
  scene.told(greedy);
  scene.deliver({event()});
  CHECK(scene.told(greedy) == Lines{"record_event"});
  CHECK(scene.told(modest).size() == 2);
}

TEST_CASE("filter steps: who comes with the number of one that was cut off begins anew") {
  Scene scene({.filter_steps_per_second = 3'000});
  const auto greedy = scene.reader({heavy_filter(1)});
  const auto event = [] { return created("posts", "1", post_json(1, huge_title)); };
  scene.world.deliver({event(), event()});  // the second is too much
  scene.world.broker.close(greedy);
  CHECK(scene.world.broker.take_ended().empty());
  const auto next = scene.reader({heavy_filter(1)}, "another address");
  CHECK(next == greedy);
  scene.deliver({event()});
  CHECK(scene.told(next) == Lines{"record_event"});
}

TEST_CASE("filter steps: within its share nobody's filter ends, whoever was asked before") {
  struct {
    bool one_address;
    const char* why;
  } const crowds[] = {{false, "each from an address of his own"}, {true, "all from one"}};
  for (const auto& crowd : crowds) {
    CAPTURE(crowd.why);
    Scene scene;
    std::vector<ConnectionNumber> attackers, innocent;
    for (int n = 0; n < 8; ++n) {
      attackers.push_back(
          scene.reader({greedy_filter(n)}, crowd.one_address ? "a" : "a" + std::to_string(n)));
    }
    for (int n = 0; n < 4; ++n) {
      innocent.push_back(scene.reader({heavy_filter(n)}, "b" + std::to_string(n)));
    }
    for (int n = 0; n < 3; ++n) scene.deliver({created("posts", "1", post_json(1, huge_title))});
    for (const auto number : innocent) CHECK(scene.told(number) == Lines(3, "record_event"));
    CHECK(scene.ended() > 0);
    CHECK(scene.steps() < 3 * 3 * 3 * 10'000);
  }
}

TEST_CASE("filter steps: the shares of a second are there whatever others took of it") {
  Scene scene({.filter_steps_per_second = 60'000});
  const auto innocent = scene.reader({light_filter}, "b");
  std::size_t ended = 0;
  for (int turn = 0; turn < 38; ++turn) {
    const auto attacker = scene.reader({greedy_filter(turn)}, "a" + std::to_string(turn));
    scene.deliver({created("posts", "1", post_json(1, huge_title))});
    ended += scene.told(attacker).front() == "record_event" ? 0 : 1;
    scene.world.broker.close(attacker);
  }
  CHECK(ended > 0);
  CHECK(scene.told(innocent) == Lines(38, "record_event"));
  CHECK(scene.steps() < 5 * 60'000);
}

TEST_CASE("filter steps: who comes again within the second has the share that is left") {
  Scene scene({.filter_steps_per_second = 60'000});
  const auto event = [] { return created("posts", "1", post_json(1, huge_title)); };
  scene.reader({light_filter}, "b");
  std::size_t heard = 0;
  for (int turn = 0; turn < 100; ++turn) {
    const auto attacker = scene.reader({greedy_filter(turn)}, "a");
    scene.deliver({event()});
    heard += scene.told(attacker).front() == "record_event" ? 1 : 0;
    scene.world.broker.close(attacker);
  }
  // Six times what all may take, as often again as it is given back once, and once his share.
  CHECK(heard > 5);
  CHECK(heard < 20);
  CHECK(scene.steps() < 5 * 60'000);
  scene.clock += 1s;
  const auto again = scene.reader({greedy_filter(100)}, "a");
  scene.deliver({event()});
  CHECK(scene.told(again) == Lines{"record_event"});
}

TEST_CASE("filter steps: whose filter ends is told what was used up") {
  const auto told_of = [](const Lines& lines) {
    const std::string& line = lines.back();
    const auto at = line.find("\"message\":\"") + 11;
    return line.substr(at, line.find(';', at) - at);
  };
  Scene own({.filter_steps_per_event = 3'000});
  const auto dear = own.reader({greedy_filter(1)});
  own.deliver({created("posts", "1", post_json(1, huge_title))});
  CHECK(told_of(own.world.taken(dear)) ==
        "the filters of this connection would take more steps for one event than one may");

  Scene event;
  std::vector<ConnectionNumber> crowd;
  for (int n = 0; n < 40; ++n) crowd.push_back(event.reader({greedy_filter(n)}));
  event.deliver({created("posts", "1", post_json(1, huge_title))});
  CHECK(told_of(event.world.taken(crowd.back())) ==
        "all filters took what they may for one event, and those of this connection more than "
        "their share of it");

  Scene second({.filter_steps_per_second = 30'000});
  const auto greedy = second.reader({greedy_filter(1)});
  while (second.ended() == 0) second.deliver({created("posts", "1", post_json(1, huge_title))});
  CHECK(told_of(second.world.taken(greedy)) ==
        "all filters took what they may for one second, and those of this connection more than "
        "their share of it");
}

TEST_CASE("filter steps: limits as large as may be written are no limit") {
  Scene scene({.filter_steps_per_event = std::uint64_t{1} << 63,
               .filter_steps_per_second = std::uint64_t{1} << 63});
  std::vector<ConnectionNumber> readers;
  for (int n = 0; n < 20; ++n) readers.push_back(scene.reader({greedy_filter(n)}));
  scene.deliver({created("posts", "1", post_json(1, huge_title))});
  for (const auto number : readers) CHECK(scene.told(number) == Lines{"record_event"});
}

TEST_CASE("filter: what an index does not narrow counts as asked of every row") {
  struct {
    std::string filter;
    bool counts;
    const char* why;
  } const filters[] = {
      {"record.email == null && record.id > 3", true, "NULL, and more"},
      {"record.email == null && record.title.contains('x')", true, "the same"},
      {"record.email == null", false, "NULL is all of it"},
      {"record.title == 'a' && record.id > 3", false, "a value"},
      {"record.email == null && record.id == 3 && record.title > 'a'", false, "the value is taken"},
      {"record.email == null || record.title == 'a'", false, "each is all of it"},
      {"(record.email == null || record.title == 'a') && record.id > 3", true, "NULL, or else"},
  };
  for (const auto& one : filters) {
    CAPTURE(one.why);
    Scene scene({.scanned_filters = 0});
    const auto number = scene.world.open();
    const Lines answer = scene.world.ask(number, filtering("posts.*", one.filter));
    CHECK((answer[0].find("filter_limit") != std::string::npos) == one.counts);
  }
}

TEST_CASE("filter: where there is no table the columns that filters name are not looked up") {
  Scene scene({.scanned_filters = 5});
  int taken = 0;
  for (int n = 0; n < 10; ++n) {
    const auto number = scene.world.open({}, std::to_string(n));
    const Lines answer = scene.world.ask(
        number, filtering("notifications.*", "record.c" + std::to_string(n) + " == 1"));
    taken += answer[0].find("\"subscribed\"") != std::string::npos ? 1 : 0;
  }
  CHECK(taken == 5);
  scene.deliver({custom("notifications", R"({"c3":1})")});
  CHECK(scene.steps() >= 5);  // each was asked
  CHECK(scene.told(3).back().find("custom_event") != std::string::npos);
}
