#include "broker/size_ledger.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <random>
#include <thread>
#include <vector>

using namespace pgtide;

TEST_CASE("size ledger: from its floor on the largest pieces have what is wanted") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    SizeLedger ledger;
    std::vector<std::size_t> sizes(1 + random() % 50);
    for (std::size_t& size : sizes) {
      size = 1 + random() % (std::size_t{1} << (1 + random() % 40));
      ledger.change(0, size);
    }
    const auto all = std::accumulate(sizes.begin(), sizes.end(), std::size_t{0});
    const std::size_t wanted = 1 + random() % all;
    const std::size_t floor = ledger.floor_of(wanted);
    CAPTURE(wanted);
    CAPTURE(floor);
    std::size_t from_floor = 0, well_above = 0;
    for (const std::size_t size : sizes) {
      if (size >= floor) from_floor += size;
      if (size > floor + floor / 4) well_above += size;
    }
    CHECK(from_floor >= wanted);
    CHECK(well_above < wanted);
    CHECK(ledger.floor_of(all + 1) == 0);
  }
}

TEST_CASE("size ledger: a piece is in it with its present size, and leaves with its entry") {
  SizeLedger ledger;
  {
    SizeEntry entry(&ledger);
    entry.set(1'000'000);
    CHECK(ledger.floor_of(1'000'000) > 500'000);
    entry.set(3);
    CHECK(ledger.floor_of(3) == 3);
    CHECK(ledger.floor_of(4) == 0);
    SizeEntry none(nullptr);
    none.set(5);
  }
  CHECK(ledger.floor_of(1) == 0);
}

TEST_CASE("size ledger: shards write to it at the same time, and nothing is lost") {
  SizeLedger ledger;
  std::vector<std::thread> shards;
  for (int shard = 0; shard < 4; ++shard) {
    shards.emplace_back([&ledger] {
      for (std::size_t i = 0; i < 10'000; ++i) {
        SizeEntry entry(&ledger);
        entry.set(i);
        entry.set(2 * i);
      }
    });
  }
  for (std::thread& shard : shards) shard.join();
  CHECK(ledger.floor_of(1) == 0);
}
