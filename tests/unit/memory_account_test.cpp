#include "broker/memory_account.hpp"

#include <doctest/doctest.h>

#include <thread>
#include <utility>
#include <vector>

using namespace pgtide;

TEST_CASE("memory account: it is over past its limit, and eased again only a quarter below it") {
  MemoryAccount memory(1'000);
  CHECK_FALSE(memory.over());
  CHECK(memory.eased());
  memory.add(MemoryKind::frames, 700);
  memory.add(MemoryKind::backlogs, 300);
  CHECK_FALSE(memory.over());
  CHECK_FALSE(memory.eased());
  memory.add(MemoryKind::frames, 1);
  CHECK(memory.over());
  CHECK(memory.used() == 1'001);
  memory.take(MemoryKind::frames, 251);
  CHECK_FALSE(memory.over());
  CHECK(memory.eased());
  CHECK(memory.used(MemoryKind::frames) == 450);
}

TEST_CASE("memory account: subscriptions are refused before connections are") {
  struct Case {
    MemoryKind kind;
    std::size_t bytes;
    bool subscription, connection;
    const char* why;
  };
  const std::vector<Case> cases = {
      {MemoryKind::frames, 1'000, true, true, "events have what is left by the others"},
      {MemoryKind::frames, 1'001, false, true, "past the limit"},
      {MemoryKind::backlogs, 1'125, false, true, "an eighth past it"},
      {MemoryKind::backlogs, 1'126, false, false, "further past it"},
      {MemoryKind::subscriptions, 500, true, true, "half of it"},
      {MemoryKind::subscriptions, 501, false, true, "more than half lasts"},
      {MemoryKind::replies, 501, false, true, "replies last as well"},
      {MemoryKind::connections, 751, false, false, "more than three quarters last"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.why);
    MemoryAccount memory(1'000);
    memory.add(one.kind, one.bytes);
    CHECK(memory.takes_subscription() == one.subscription);
    CHECK(memory.takes_connection() == one.connection);
    memory.take(one.kind, one.bytes);
    CHECK(memory.takes_subscription());
    CHECK(memory.takes_connection());
  }
}

TEST_CASE("memory account: without a limit it counts and refuses nothing") {
  MemoryAccount memory(0);
  memory.add(MemoryKind::connections, std::size_t{1} << 50U);
  CHECK_FALSE(memory.over());
  CHECK(memory.eased());
  CHECK(memory.takes_subscription());
  CHECK(memory.takes_connection());
  CHECK(memory.used() == std::size_t{1} << 50U);
}

TEST_CASE("memory account: a charge is in it once, wherever it moves, and leaves with its holder") {
  MemoryAccount memory(1'000);
  {
    MemoryCharge charge(&memory, MemoryKind::replies, 100);
    charge.set(40);
    CHECK(memory.used() == 40);
    MemoryCharge other(std::move(charge));
    CHECK(memory.used() == 40);
    MemoryCharge third(&memory, MemoryKind::frames, 7);
    third = std::move(other);
    CHECK(memory.used() == 40);
    CHECK(memory.used(MemoryKind::replies) == 40);
    const MemoryCharge none(nullptr, MemoryKind::frames, 5);
    CHECK(none.bytes() == 0);
  }
  CHECK(memory.used() == 0);
}

TEST_CASE("memory account: shards share it, and nothing is lost between them") {
  MemoryAccount memory(1'000);
  std::vector<std::thread> shards;
  for (int shard = 0; shard < 4; ++shard) {
    shards.emplace_back([&memory] {
      for (std::size_t i = 0; i < 10'000; ++i) {
        MemoryCharge charge(&memory, MemoryKind::frames, i);
        charge.set(3);
        memory.note(MemoryStep::backlog_dropped);
      }
    });
  }
  for (std::thread& shard : shards) shard.join();
  CHECK(memory.used() == 0);
  CHECK(memory.steps(MemoryStep::backlog_dropped) == 40'000);
}
