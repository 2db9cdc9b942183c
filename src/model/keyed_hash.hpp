#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace pgtide {

struct HashKey {
  std::uint64_t first = 0;
  std::uint64_t second = 0;

  static HashKey draw();  // at random, from the system
  friend bool operator==(const HashKey&, const HashKey&) = default;
};

// This process's own, drawn when it is first asked for.
inline const HashKey& hash_key() {
  static const HashKey key = HashKey::draw();
  return key;
}

// At most seven bytes as a word, the first of them lowest; without a loop, since most texts are
// short.
inline std::uint64_t short_word(const char* bytes, std::size_t count) {
  if (count >= sizeof(std::uint32_t)) {
    std::uint32_t first = 0, last = 0;
    std::memcpy(&first, bytes, sizeof(first));
    std::memcpy(&last, bytes + count - sizeof(last), sizeof(last));
    return first | static_cast<std::uint64_t>(last) << (8 * (count - sizeof(last)));
  }
  if (count == 0) return 0;
  const auto byte = [bytes](std::size_t at) {
    return static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[at])) << (8 * at);
  };
  return byte(0) | byte(count / 2) | byte(count - 1);
}

// SipHash (Aumasson and Bernstein, 2012) of `Compressions` rounds for each eight bytes and
// `Finals` at the end. Without the key nobody can make texts whose hashes are equal, or equal in
// some of their bits. 1 and 3 rounds are what hash tables take (Rust's, CPython's), 2 and 4 what
// the authors' test vectors are of.
template <int Compressions = 1, int Finals = 3>
std::uint64_t sip_hash(std::string_view text, const HashKey& key) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t a = key.first ^ 0x736f6d6570736575, b = key.second ^ 0x646f72616e646f6d;
  std::uint64_t c = key.first ^ 0x6c7967656e657261, d = key.second ^ 0x7465646279746573;
  const auto rounds = [&](int count) {
    for (; count > 0; --count) {
      a += b;
      c += d;
      b = std::rotl(b, 13) ^ a;
      d = std::rotl(d, 16) ^ c;
      a = std::rotl(a, 32) + d;
      c += b;
      d = std::rotl(d, 21) ^ a;
      b = std::rotl(b, 17) ^ c;
      c = std::rotl(c, 32);
    }
  };
  const auto take = [&](std::uint64_t word) {
    d ^= word;
    rounds(Compressions);
    a ^= word;
  };
  std::uint64_t last = static_cast<std::uint64_t>(text.size()) << 56;
  for (; text.size() >= sizeof(last); text.remove_prefix(sizeof(last))) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data(), sizeof(word));
    take(word);
  }
  take(last | short_word(text.data(), text.size()));
  c ^= 0xff;
  rounds(Finals);
  return a ^ b ^ c ^ d;
}

}  // namespace pgtide
