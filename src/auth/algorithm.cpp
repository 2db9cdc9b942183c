#include "auth/algorithm.hpp"

#include <algorithm>
#include <array>

namespace pgtide {
namespace {

using enum KeyFamily;

constexpr std::array<Algorithm, 13> algorithms{{{"HS256", secret, "SHA256"},
                                                {"HS384", secret, "SHA384"},
                                                {"HS512", secret, "SHA512"},
                                                {"RS256", rsa, "SHA256"},
                                                {"RS384", rsa, "SHA384"},
                                                {"RS512", rsa, "SHA512"},
                                                {"PS256", rsa, "SHA256", {}, 0, true},
                                                {"PS384", rsa, "SHA384", {}, 0, true},
                                                {"PS512", rsa, "SHA512", {}, 0, true},
                                                {"ES256", elliptic, "SHA256", "prime256v1", 32},
                                                {"ES384", elliptic, "SHA384", "secp384r1", 48},
                                                {"ES512", elliptic, "SHA512", "secp521r1", 66},
                                                {"EdDSA", edwards}}};

}  // namespace

const Algorithm* find_algorithm(std::string_view name) {
  const auto* const found =
      std::find_if(algorithms.begin(), algorithms.end(),
                   [&](const Algorithm& algorithm) { return algorithm.name == name; });
  return found == algorithms.end() ? nullptr : found;
}

std::string_view to_string(KeyFamily family) {
  switch (family) {
    case secret:
      return "a secret";
    case rsa:
      return "an RSA public key";
    case elliptic:
      return "a public key on a NIST curve";
    case edwards:
      return "an Ed25519 or Ed448 public key";
  }
  return "a key";
}

}  // namespace pgtide
