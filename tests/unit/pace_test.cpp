#include "broker/pace.hpp"

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace pgtide;
using namespace std::chrono_literals;

namespace {

using Clock = Burst::Clock;
constexpr Clock::time_point start{};

std::chrono::milliseconds ms(Clock::duration time) {
  return std::chrono::round<std::chrono::milliseconds>(time);
}

}  // namespace

TEST_CASE("pace: what comes within the free bytes, or no faster than the rate, is no burst") {
  Burst burst(1'000, 100);
  for (int second = 0; second < 100; ++second) {
    burst.add(100, start + second * 1s);
    CHECK(burst.excess() == 0s);
  }
  burst.add(899, start + 99s);
  CHECK(burst.excess() == 0s);
}

TEST_CASE("pace: who waits for the excess after each piece slows a burst to the rate, no further") {
  Burst burst(1'000, 100);
  auto now = start;
  Clock::duration waited{};
  for (int piece = 0; piece < 50; ++piece) {
    burst.add(400, now);
    waited += burst.excess();
    now += burst.excess();
  }
  // 20,000 bytes, of which 1,000 are free, at 100 a second.
  CHECK(ms(waited) == 190s);
  burst.add(10'000, now + 1h);
  CHECK(ms(burst.excess()) == 90s);
}

TEST_CASE("pace: time that seems to go back lets nothing run out") {
  Burst burst(0, 100);
  burst.add(100, start + 10s);
  burst.add(100, start + 9s);
  CHECK(ms(burst.excess()) == 2s);
}

TEST_CASE("pace: a piece's readers lag when they do on the whole, however much a few of them do") {
  struct Row {
    std::vector<std::optional<std::size_t>> backlogs;
    std::size_t surplus;
    const char* why;
  };
  const std::optional<std::size_t> behind{};
  const Row table[] = {
      {{}, 0, "nobody got it"},
      {{40}, 0, "under half"},
      {{60}, 10, "the only one is over half"},
      {{99, 99, 0, 0, 0}, 0, "two of five hover: the others have nothing waiting"},
      {{99, 99, 99, 0, 0}, 47, "most of them"},
      {{99, behind, behind, behind}, 49, "who is behind is neither waited for nor counted"},
      {{behind, behind}, 0, "all are behind"},
      {{60, 60, 60, 40}, 20, "all lag alike"},
  };
  for (const Row& row : table) {
    CAPTURE(row.why);
    Readership readers;
    for (const auto& backlog : row.backlogs) readers.add(10, backlog);
    CHECK(readers.surplus(50) == row.surplus);
  }
}

TEST_CASE("pace: a piece weighs what it weighs for the one who gets most of it and reads") {
  Readership readers;
  CHECK(readers.bytes_max() == 0);
  readers.add(20, 0);
  readers.add(30, 5);
  readers.add(90, std::nullopt);
  CHECK(readers.bytes_max() == 30);
}

TEST_CASE("pace: a budget is spent by waiting, comes back slowly, and never grows past its whole") {
  PaceBudget budget(10s, 0.1, start);
  CHECK(budget.begin(4s, start + 1h) == 4s);
  budget.end(start + 1h + 4s);
  CHECK(budget.spent(start + 1h + 4s) == 4s);
  // 6.4 s are left; what is wanted is all of it and more.
  CHECK(ms(budget.begin(1h, start + 1h + 4s)) == 6'400ms);
  budget.end(start + 1h + 4s + 6'400ms);
  // What came back while it waited.
  CHECK(ms(budget.begin(1h, start + 1h + 4s + 6'400ms)) == 640ms);
  budget.end(start + 1h + 11'040ms);
  CHECK(ms(budget.begin(1h, start + 3h)) == 10s);
}

TEST_CASE("pace: without any time left nobody waits, and a wait that ends late is paid back") {
  PaceBudget budget(1s, 0.1, start);
  CHECK(budget.begin(1s, start) == 1s);
  budget.end(start + 4s);  // 1 - 4 + 0.4 = -2.6
  CHECK(budget.begin(1ms, start + 4s) == 0s);
  CHECK(budget.begin(1ms, start + 29s) == 0s);
  CHECK(budget.begin(1ms, start + 31s) == 1ms);
}

TEST_CASE("pace: waits that overlap cost once, and end with the budget at the latest") {
  PaceBudget budget(10s, 0, start);
  CHECK(budget.begin(8s, start) == 8s);
  CHECK(budget.begin(20s, start + 3s) == 7s);
  CHECK(budget.spent(start + 5s) == 5s);
  budget.end(start + 8s);
  CHECK(budget.spent(start + 9s) == 9s);
  budget.end(start + 10s);
  CHECK(budget.spent(start + 1h) == 10s);
  CHECK(budget.begin(1s, start + 1h) == 0s);
}

TEST_CASE("pace: whoever wants to wait, whenever and how often, the sum stays within the budget") {
  std::mt19937 random(1);
  const auto below = [&](unsigned end) { return random() % end; };
  for (int turn = 0; turn < 50; ++turn) {
    PaceBudget budget(5s, 0.03, start);
    auto now = start;
    std::vector<Clock::time_point> ends;  // of those who wait, of up to eight shards
    for (int step = 0; step < 2'000; ++step) {
      now += std::chrono::milliseconds(below(20));
      std::erase_if(ends, [&](Clock::time_point end) {
        const bool over = end <= now || below(10) == 0;
        if (over) budget.end(std::min(end, now));
        return over;
      });
      if (ends.size() < 8) {
        const auto granted = budget.begin(std::chrono::milliseconds(below(3'000)), now);
        if (granted > 0s) ends.push_back(now + granted);
      }
      const std::chrono::duration<double> spent = budget.spent(now);
      const std::chrono::duration<double> passed = now - start;
      // A step is how late a wait may end here.
      REQUIRE(spent.count() <= 5 + 0.03 * passed.count() + 0.02);
    }
  }
}
