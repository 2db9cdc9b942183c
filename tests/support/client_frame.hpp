#pragma once
#include <string>
#include <string_view>

namespace pgtide::test {

// A client's frame: masked, as RFC 6455 wants it. `first` is the first byte whole.
inline std::string masked(unsigned char first, std::string_view payload) {
  std::string out(1, static_cast<char>(first));
  const auto size = payload.size();
  if (size < 126) {
    out += static_cast<char>(0x80 | size);
  } else if (size <= 0xffff) {
    out += {static_cast<char>(0x80 | 126), static_cast<char>(size >> 8), static_cast<char>(size)};
  } else {
    out += static_cast<char>(0x80 | 127);
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift);
  }
  const char mask[4] = {'\x12', '\x34', '\x56', '\x78'};
  out.append(mask, 4);
  for (std::size_t i = 0; i < size; ++i) out += static_cast<char>(payload[i] ^ mask[i % 4]);
  return out;
}

// A close frame's payload for `code`.
inline std::string code_bytes(unsigned code) {
  return {static_cast<char>(code >> 8), static_cast<char>(code)};
}

}  // namespace pgtide::test
