#include "bridge/dealing.hpp"

#include <doctest/doctest.h>

#include <array>
#include <set>

#include "support/running_bridge.hpp"

namespace pgtide::test {

TEST_CASE("dealing: a client comes to a shard with the fewest, and to any of several by lot") {
  struct {
    std::vector<std::size_t> loads;
    std::set<std::size_t> chosen;
    const char* why;
  } const rows[] = {
      {{5}, {0}, "there is one"},
      {{3, 2}, {1}, "the second has fewer"},
      {{0, 2}, {0}, "the first has none"},
      {{4, 4}, {0, 1}, "both are alike"},
      {{9, 1, 2, 1, 1}, {1, 3, 4}, "three are alike"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    std::set<std::size_t> chosen;
    for (std::uint32_t drawn = 0; drawn < 12; ++drawn) {
      chosen.insert(choose_shard(row.loads, drawn));
    }
    CHECK(chosen == row.chosen);
    CHECK(row.chosen.contains(choose_shard(row.loads, 4'294'967'295U)));
  }
}

TEST_CASE("dealing: no client knows from when it comes whom it shares a thread with") {
  constexpr std::size_t pairs = 20;
  RunningBridge bridge(blog());
  std::vector<Subscriber> clients;
  for (std::size_t n = 0; n < 2 * pairs; ++n) clients.push_back(bridge.connect());
  // The list goes shard by shard, ordered by id within each.
  std::map<std::string, int> shard_of;
  std::array<std::size_t, 2> sizes{};
  std::string last;
  int shard = 0;
  for (const ConnectionInfo& info : bridge.realtime().get_connections()) {
    if (info.id < last) ++shard;
    REQUIRE(shard < 2);
    last = info.id;
    shard_of[info.id] = shard;
    ++sizes[static_cast<std::size_t>(shard)];
  }
  CHECK(sizes[0] + sizes[1] == 2 * pairs);
  CHECK(std::max(sizes[0], sizes[1]) - std::min(sizes[0], sizes[1]) <= 6);
  // Each two neighbours in the same order, as if in turn: one in 2^19 by chance.
  std::set<std::pair<int, int>> orders;
  for (std::size_t n = 0; n < clients.size(); n += 2) {
    orders.emplace(shard_of.at(clients[n].id()), shard_of.at(clients[n + 1].id()));
  }
  CHECK(orders.size() > 1);
}

}  // namespace pgtide::test
