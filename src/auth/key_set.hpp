#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/verifying_key.hpp"

namespace pgtide {

// A key and what its owner says of it.
struct NamedKey {
  VerifyingKey key;
  std::optional<std::string> id{};  // `kid`: compared, and nothing else
  std::string algorithm{};          // `alg`: the only one it serves; empty: all that it fits
};

// Keys that a key set may hold; also how many signatures one token can make us check.
inline constexpr std::size_t keys_max = 64;

// Reads a JSON Web Key Set (RFC 7517): kty RSA, EC, OKP and oct. Keys for encryption, and of
// kinds and curves that are not known here, are skipped (RFC 7517, 5); a known one that is wrong
// is an error: invalid, with the key's number from 1.
Result<std::vector<NamedKey>> parse_key_set(std::string_view text);

}  // namespace pgtide
