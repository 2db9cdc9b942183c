#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/sweep.hpp"
#include "model/keyed_hash.hpp"
#include "model/text_map.hpp"

using namespace pgtide;

namespace {

std::string counted_bytes(std::size_t count) {
  std::string bytes;
  for (std::size_t n = 0; n < count; ++n) bytes += static_cast<char>(n);
  return bytes;
}

// What a stranger does to a table that is hashed without a key: texts of 16 bytes that are all of
// one hash, made by going through MurmurHash64A (libstdc++'s) backwards from its state after both
// halves.
class SameHashes {
 public:
  std::string text(std::uint64_t n) const {
    const std::uint64_t first = 0x6161616161616161 + n;
    const std::uint64_t before = (start ^ mixed(first)) * multiplier;
    const std::uint64_t second = unmixed(before ^ wanted);
    std::string text(16, '\0');
    std::memcpy(text.data(), &first, sizeof(first));
    std::memcpy(text.data() + sizeof(first), &second, sizeof(second));
    return text;
  }

 private:
  static constexpr std::uint64_t multiplier = 0xc6a4a7935bd1e995;
  static constexpr std::uint64_t start = 0xc70f6907 ^ (16 * multiplier);
  static constexpr std::uint64_t wanted = 0x0123456789abcdef;

  static std::uint64_t inverse() {
    std::uint64_t found = multiplier;  // each step doubles the bits that are right
    for (int step = 0; step < 6; ++step) found *= 2 - multiplier * found;
    return found;
  }
  static std::uint64_t shifted(std::uint64_t word) { return word ^ (word >> 47); }
  static std::uint64_t mixed(std::uint64_t word) { return shifted(word * multiplier) * multiplier; }
  static std::uint64_t unmixed(std::uint64_t word) { return shifted(word * inverse()) * inverse(); }
};

std::size_t largest_bucket(const TextMap<int>& map) {
  std::size_t largest = 0;
  for (std::size_t n = 0; n < map.bucket_count(); ++n) {
    largest = std::max(largest, map.bucket_size(n));
  }
  return largest;
}

}  // namespace

TEST_CASE("hash: SipHash gives the reference values") {
  const HashKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  // 2-4: Aumasson and Bernstein's vectors; 1-3: `openssl mac -macopt c-rounds:1 -macopt d-rounds:3
  // -macopt size:8 ... SIPHASH` (3.0), which prints the bytes from the lowest on.
  struct {
    std::size_t bytes;
    std::uint64_t two_four;
    std::uint64_t one_three;
    const char* why;
  } const vectors[] = {
      {0, 0x726fdb47dd0e0e31, 0xabac0158050fc4dc, "nothing"},
      {1, 0x74f839c593dc67fd, 0xc9f49bf37d57ca93, "part of a word"},
      {2, 0x0d6c8009d9a94f5a, 0x82cb9b024dc7d44d, "two bytes"},
      {3, 0x85676696d7fb7e2d, 0x8bf80ab8e7ddf7fb, "three"},
      {4, 0xcf2794e0277187b7, 0xcf75576088d38328, "four"},
      {5, 0x18765564cd99a68d, 0xdef9d52f49533b67, "five"},
      {7, 0xab0200f58b01d137, 0xd3927d989bb11140, "all but a word"},
      {8, 0x93f5f5799a932462, 0x369095118d299a8e, "a word"},
      {15, 0xa129ca6149be45e5, 0xd320d86d2a519956, "the paper's example"},
      {16, 0x3f2acc7f57c29bdb, 0xcc4fdd1a7d908b66, "two words"},
      {31, 0x32d892fad841c342, 0x2370dd1f8c21d1bc, "words and a part"},
  };
  for (const auto& one : vectors) {
    CAPTURE(one.why);
    CHECK(sip_hash<2, 4>(counted_bytes(one.bytes), key) == one.two_four);
    CHECK(sip_hash(counted_bytes(one.bytes), key) == one.one_three);
  }
}

TEST_CASE("hash: each process draws a key of its own") {
  CHECK(HashKey::draw() != HashKey::draw());
  CHECK(hash_key() == hash_key());
  CHECK(hash_key() != HashKey{});
  CHECK(TextHash{}("posts.1") == sip_hash("posts.1", hash_key()));
}

TEST_CASE("hash: texts made to be of one hash are found as quickly as any others") {
  constexpr std::size_t count = 16'384;
  const SameHashes made;
  TextMap<int> map;
  std::set<std::size_t> hashes;
  for (std::uint64_t n = 0; n < count; ++n) {
    const std::string text = made.text(n);
#ifdef __GLIBCXX__
    REQUIRE(std::hash<std::string>{}(text) == std::hash<std::string>{}(made.text(0)));
#endif
    map.emplace(text, 0);
    hashes.insert(TextHash{}(text));
  }
  CHECK(map.size() == count);
  CHECK(largest_bucket(map) <= 16);
  CHECK(hashes.size() == count);
}

TEST_CASE("hash: to sweep a map of what expired takes two visits for each entry made") {
  struct Counted {
    std::weak_ptr<int> held;
    std::size_t* visits;
    bool expired() const { return ++*visits, held.expired(); }
  };
  const auto alive = std::make_shared<int>(0);
  std::size_t visits = 0;
  TextMap<Counted> map;
  Sweep sweep;
  const auto make = [&](const std::string& text, std::weak_ptr<int> held) {
    sweep(map);
    map.insert_or_assign(text, Counted{std::move(held), &visits});
  };
  std::size_t made = 0;
  for (; made < 8'191; ++made) make(std::to_string(made), alive);
  // Whatever the size is at which somebody makes one that goes, and makes it again.
  for (int turn = 0; turn < 5'000; ++turn, ++made) make("again", {});
  CHECK(visits <= 2 * made);
  for (int turn = 0; turn < 50'000; ++turn) make("gone" + std::to_string(turn), {});
  CHECK(map.size() < 3 * 8'192);
}
