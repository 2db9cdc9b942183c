#pragma once
#include <cstdio>
#include <string>

namespace pgtide::test {

// Two lower digits for each byte, as auth.api_keys wants a hash.
inline std::string in_hex(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(c));
    out += digits;
  }
  return out;
}

}  // namespace pgtide::test
