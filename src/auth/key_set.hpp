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

struct KeySet {
  std::vector<NamedKey> keys{};
  std::vector<std::string> faults{};  // of the keys that are left out, with their number from 1
};

// Reads a JSON Web Key Set (RFC 7517): kty RSA, EC, OKP and oct. Keys for encryption, and of
// kinds and curves that are not known here, are skipped (RFC 7517, 5); a known one that is wrong
// is left out and told. Error: invalid, for a text that is no key set.
Result<KeySet> parse_key_set(std::string_view text);

}  // namespace pgtide
