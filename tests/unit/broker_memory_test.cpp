#include <doctest/doctest.h>

#include <malloc.h>

#include <algorithm>

#include "broker/memory_account.hpp"
#include "unit/broker_fixture.hpp"

// What a broker holds, and for how long.
using namespace pgtide;
using namespace pgtide::test;

namespace {

const std::string titled_row =
    R"({"id":1,"title":"a title of some length","email":"e@example.com"})";

Event titled(const std::string& id) {
  return {.collection_id = 1, .collection = "posts", .record_id = id, .new_row = titled_row};
}

std::vector<Event> statement(int rows) {
  std::vector<Event> events;
  for (int i = 0; i < rows; ++i) events.push_back(titled(std::to_string(i)));
  return events;
}

std::shared_ptr<const Policy> typed_policy() {
  Collection posts = posts_table();
  using enum ColumnKind;
  posts.types = {{number, json, "bigint"}, {text, json, "text"}, {text, json, "text"}};
  return make_policy({public_rule("posts")}, {posts});
}

// Clients who each have a filter of their own, that all rows pass: a class each.
struct OwnClasses {
  explicit OwnClasses(std::size_t clients) {
    for (std::size_t i = 0; i < clients; ++i) {
      const auto number = world.open();
      world.say(number, R"({"type":"subscribe","pattern":"posts.*","filter":"record.title != 'x)" +
                            std::to_string(i) + R"('"})");
      REQUIRE(world.patterns(number).size() == 1);
      world.got[number].clear();
    }
  }

  MemoryAccount memory{0};
  World world{typed_policy(), {.limits = {.stretch_bytes = 100'000}, .memory = &memory}};
};

}  // namespace

TEST_CASE("broker: one class's run is there at a time, however many classes see a batch") {
  OwnClasses crowd(200);
  const Batch batch = crowd.world.batch(statement(300));
  std::size_t most = 0;
  std::size_t total = 0;
  std::size_t deliveries = 0;
  crowd.world.broker.deliver(batch, [&](const Delivery& delivery) {
    most = std::max(most, crowd.memory.used(MemoryKind::frames));
    total += delivery.run->frames.size();
    deliveries += delivery.run->events;
  });
  CHECK(deliveries == 200 * 300);
  CHECK(total > 10'000'000);
  CHECK(most < 100'000);
  CHECK(crowd.memory.used(MemoryKind::frames) == 0);
}

TEST_CASE("broker: between two stretches of a batch the position is that of the last event sent") {
  OwnClasses crowd(50);
  const Batch batch = crowd.world.batch(statement(100));
  std::size_t stretches = 0;
  std::size_t events_got = 0;
  const auto first = crowd.world.broker.select({}).front();
  const auto take = [&](const Delivery& delivery) {
    if (delivery.connection == first) events_got += delivery.run->events;
  };
  for (std::size_t next = 0; next < batch.events.size(); ++stretches) {
    const std::size_t from = next;
    next = crowd.world.broker.deliver(batch, from, take);
    REQUIRE(next > from);
    CHECK(events_got == next);
    const bool whole = next == batch.events.size();
    CHECK(crowd.world.broker.position() ==
          (whole ? batch.cursor_end() : batch.cursor_after(batch.events[next - 1])));
  }
  CHECK(stretches > 10);
  CHECK(crowd.world.broker.counters().events_in == 100);
}

TEST_CASE("broker: a run counts once in the account of memory, until its last holder lets go") {
  MemoryAccount memory(0);
  World world(open_policy(), {.memory = &memory});
  for (int i = 0; i < 5; ++i) world.subscriber({"posts.*"});
  std::vector<SharedRun> held;
  world.broker.deliver(world.batch(statement(1)),
                       [&](const Delivery& delivery) { held.push_back(delivery.run); });
  REQUIRE(held.size() == 5);
  const std::size_t bytes = memory.used(MemoryKind::frames);
  CHECK(bytes >= held.front()->frames.size());
  CHECK(bytes < 2 * held.front()->frames.size() + sizeof(Run));
  held.resize(1);
  CHECK(memory.used(MemoryKind::frames) == bytes);
  held.clear();
  CHECK(memory.used(MemoryKind::frames) == 0);
}

namespace {

std::string subscribe_filtered(const std::string& pattern, const std::string& filter) {
  return R"({"type":"subscribe","pattern":")" + pattern + R"(","filter":")" + filter + "\"}";
}

// Near the most nodes that a filter may have.
std::string maximal_filter(int from) {
  std::string filter;
  for (int term = 0; term < 15; ++term) {
    filter += (term == 0 ? "record.id == " : " || record.id == ") + std::to_string(from + term);
  }
  return filter;
}

}  // namespace

namespace {

// About as much as a filter may have of one kind; no two are the same.
struct LargeFilter {
  const char* why;
  std::string (*make)(std::size_t number);
};

std::string joined(std::size_t count, const std::string& by, auto&& part) {
  std::string text;
  for (std::size_t n = 0; n < count; ++n) text += (n == 0 ? "" : by) + part(n);
  return text;
}

const LargeFilter large_filters[] = {
    {"equalities",
     [](std::size_t number) {
       return joined(15, " || ", [=](std::size_t n) {
         return "record.id == " + std::to_string(1'000'000'000'000 + number * 15 + n);
       });
     }},
    {"a list",
     [](std::size_t number) {
       return "record.id in [" + joined(60, ",", [=](std::size_t n) {
                return std::to_string(100'000'000 + number * 60 + n);
              }) + "]";
     }},
    {"an equality, and much that is asked in full",
     [](std::size_t number) {
       return "record.id == " + std::to_string(number) + " && (" +
              joined(14, " || ", [=](std::size_t n) {
                return "record.title != 'a title of some length " + std::to_string(n) + "'";
              }) + ")";
     }},
    {"an equality, and a list of what it must not be",
     [](std::size_t number) {
       return "record.id == " + std::to_string(number) + " && !(record.title in [" +
              joined(50, ",", [=](std::size_t n) {
                return "'title " + std::to_string(n) + "'";
              }) + "])";
     }},
    {"one long text",
     [](std::size_t number) {
       return "record.title == '" + std::to_string(number) + std::string(980, 'x') + "'";
     }},
};

}  // namespace

// Up to 2.8 MB where each keeps its tree, with all that the allocator adds (2026-11-30).
TEST_CASE("broker: a hundred of the largest filters of a connection take less than 0.6 MB") {
  for (const LargeFilter& kind : large_filters) {
    CAPTURE(std::string(kind.why));
    MemoryAccount memory(0);
    World world(typed_policy(), {.limits = {.requests_per_second = 0}, .memory = &memory});
    const auto number = world.open();
    const std::size_t before = mallinfo2().uordblks;
    for (std::size_t n = 0; n < 100; ++n) {
      const std::string text = R"({"type":"subscribe","pattern":"posts.)" + std::to_string(n) +
                               R"(","filter":")" + kind.make(n) + "\"}";
      const Lines answer = world.ask(number, text);
      REQUIRE(answer.size() == 1);
      REQUIRE_MESSAGE(answer[0].find("\"subscribed\"") != std::string::npos, answer[0]);
    }
    const std::size_t counted = memory.used(MemoryKind::subscriptions);
    const std::size_t taken = mallinfo2().uordblks - before;
    MESSAGE(std::string(kind.why), ": ", counted, " bytes counted, ", taken, " taken");
    CHECK(counted < 600'000);
#ifndef PGTIDE_SANITIZE
    // The account is an estimate: of what the allocator has given, not much less.
    CHECK(counted > taken / 10 * 9);
#endif
    world.broker.close(number);
    CHECK(memory.used(MemoryKind::subscriptions) == 0);
  }
}

TEST_CASE("broker: subscriptions and filters are in the account of memory while they are held") {
  MemoryAccount memory(0);
  World world(typed_policy(), {.limits = {.requests_per_second = 0}, .memory = &memory});
  const auto held = [&] { return memory.used(MemoryKind::subscriptions); };
  const auto one = world.open();
  const auto other = world.open();
  CHECK(held() == 0);
  world.say(one, World::subscribe("posts.*"));
  const std::size_t plain = held();
  CHECK(plain > 500);
  world.say(one, subscribe_filtered("posts.*", maximal_filter(100)));
  const std::size_t filtered = held();
  CHECK(filtered > plain + 1'000);
  world.say(other, subscribe_filtered("posts.*", maximal_filter(100)));
  CHECK(held() == filtered + plain);  // the filter once
  world.say(other, subscribe_filtered("posts.*", maximal_filter(200)));
  CHECK(held() > 2 * filtered - plain);
  CHECK(held() <= 2 * filtered);
  world.broker.close(other);
  CHECK(held() == filtered);
  world.say(one, R"({"type":"unsubscribe","pattern":"posts.*"})");
  CHECK(held() == 0);
}

TEST_CASE("broker: where memory is short new subscriptions are refused, and held ones go on") {
  MemoryAccount memory(1'000'000);
  World world(typed_policy(), {.limits = {.requests_per_second = 0}, .memory = &memory});
  const auto number = world.subscriber({"posts.*"});
  MemoryCharge others(&memory, MemoryKind::subscriptions, 500'000);
  for (const char* pattern : {"posts.1", "posts.*"}) {
    const Lines answer = world.ask(number, World::subscribe(pattern));
    REQUIRE(answer.size() == 1);
    CHECK(answer[0].find(R"("code":"server_busy")") != std::string::npos);
    CHECK(answer[0].find(R"("retry_after_ms":5000)") != std::string::npos);
  }
  CHECK(memory.steps(MemoryStep::subscription_refused) == 2);
  CHECK(world.patterns(number) == Lines{"posts.*"});
  world.deliver(world.batch(statement(1)));
  CHECK(world.taken(number).size() == 1);
  others.set(0);
  CHECK(world.ask(number, World::subscribe("posts.1"))[0].find("subscribed") != std::string::npos);
}

namespace {

// A subscribe with a filter that no other one has, of about so many bytes.
std::string large_subscribe(int pattern, const std::string& word, std::size_t bytes = 400) {
  std::string filter = "record.title in ['" + word + "'";
  for (int i = 0; filter.size() < bytes; ++i) {
    filter += ", '" + word + "_" + std::to_string(pattern) + "_" + std::to_string(i) + "'";
  }
  return subscribe_filtered("posts." + std::to_string(pattern), filter + "]");
}

bool is_told(const Lines& lines, const std::string& word) {
  return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
    return line.find(word) != std::string::npos;
  });
}

// Addresses that hold all the memory for subscriptions there is.
struct FullMemory {
  explicit FullMemory(int addresses) {
    for (int address = 0; address < addresses; ++address) {
      crowd.push_back(world.open({}, "crowd" + std::to_string(address)));
    }
    for (int pattern = 0; memory.takes_subscription(); ++pattern) {
      for (const ConnectionNumber one : crowd) ask(one, pattern);
    }
  }
  bool ask(ConnectionNumber number, int pattern) {
    const auto word = "w" + std::to_string(number);
    const Lines told = world.ask(number, large_subscribe(pattern, word));
    return is_told(told, R"("type":"subscribed")");
  }
  std::size_t held() const { return memory.used(MemoryKind::subscriptions); }

  MemoryAccount memory{4'000'000};
  World world{typed_policy(),
              {.limits = {.subscriptions_per_connection = 10'000, .requests_per_second = 0},
               .memory = &memory}};
  std::vector<ConnectionNumber> crowd{};
};

}  // namespace

TEST_CASE("broker: addresses that fill the memory for subscriptions keep no newcomer out") {
  FullMemory full(20);
  World& world = full.world;
  const std::size_t before = full.held();
  for (int newcomer = 0; newcomer < 30; ++newcomer) {
    CAPTURE(newcomer);
    for (const ConnectionNumber one : full.crowd) full.ask(one, 1'000 + newcomer);
    const auto number = world.open({}, "newcomer" + std::to_string(newcomer));
    CHECK(full.ask(number, 1));
    CHECK(full.ask(number, 2));
    world.broker.take_ended();
    CHECK(world.patterns(number) == Lines{"posts.1", "posts.2"});
  }
  CHECK(full.held() < before + before / 16);
  CHECK(full.memory.steps(MemoryStep::subscription_ended) > 30);
  for (const ConnectionNumber one : full.crowd) CHECK(world.patterns(one).size() > 5);
  while (world.broker.connection_count() > 0) {
    world.broker.close(static_cast<ConnectionNumber>(world.broker.connection_count() - 1));
  }
  CHECK(full.held() == 0);
}

TEST_CASE("broker: of the address that holds most the latest subscription ends, and it is told") {
  FullMemory full(1);
  World& world = full.world;
  const std::size_t held = world.patterns(0).size();
  const std::string latest = world.patterns(0).back();
  CHECK_FALSE(full.ask(0, 5'000));  // whoever has the share takes from nobody
  const auto number = world.open({}, "newcomer");
  REQUIRE(full.ask(number, 1));
  const auto notices = world.broker.take_ended();
  REQUIRE_FALSE(notices.empty());
  CHECK(notices.front().connection == 0);
  const Lines told = payloads(notices.front().frames);
  CHECK(is_told(told, R"("code":"server_busy")"));
  CHECK(is_told(told, R"("pattern":")" + latest + "\""));
  CHECK(is_told(told, R"("retry_after_ms":5000)"));
  CHECK(world.patterns(0).size() == held - notices.size());
  CHECK(world.broker.take_ended().empty());
  // Up to its share, and no further.
  int more = 1;
  while (more < 10'000 && full.ask(number, more)) ++more;
  CHECK(more < 10'000);
  const auto left = static_cast<double>(world.patterns(0).size());
  CHECK(static_cast<double>(world.patterns(number).size()) == doctest::Approx(left).epsilon(0.1));
}

TEST_CASE("broker: what a row with a long list is looked up by is counted, and not kept") {
  MemoryAccount memory(0);
  Collection posts = posts_table();
  using enum ColumnKind;
  posts.types = {{number, json, "bigint"}, {list, text, "text[]"}, {text, json, "text"}};
  World world(make_policy({public_rule("posts")}, {posts}),
              {.limits = {.requests_per_second = 0}, .memory = &memory});
  // An index, not a few that are looked at one by one.
  for (int n = 0; n < 6; ++n) {
    const std::string filter = "'t" + std::to_string(n) + "' in record.title";
    world.say(world.open(), subscribe_filtered("posts.*", filter));
  }
  REQUIRE(world.broker.subscription_count() == 6);
  const std::size_t before = memory.used(MemoryKind::subscriptions);
  const auto deliver = [&](int elements) {
    std::string tags;
    for (int n = 0; n < elements; ++n) {
      tags += (n == 0 ? "\"t" : ",\"t") + std::to_string(n) + "\"";
    }
    world.deliver({created("posts", "1", R"({"id":1,"title":[)" + tags + R"(],"email":"e"})")});
    return memory.used(MemoryKind::subscriptions);
  };
  CHECK(deliver(100) >= before + 100 * sizeof(std::string));
  CHECK(world.taken(0).size() == 3);  // connected, subscribed, and the row
  CHECK(deliver(100'000) < before + 100'000);
  CHECK(world.taken(0).size() == 1);
}
