#pragma once
#include <cstddef>
#include <string_view>

namespace pgtide {

// What a key is, and so what it may verify. A key and an algorithm of different families never
// meet: an RSA key is no HMAC secret, whatever a token's header says (RFC 8725, 2.1 and 3.1).
enum class KeyFamily { secret, rsa, elliptic, edwards };

// A signature algorithm of RFC 7518 (HS, RS, PS, ES) or RFC 8037 (EdDSA).
struct Algorithm {
  std::string_view name{};
  KeyFamily family = KeyFamily::secret;
  std::string_view digest{};       // OpenSSL's name; empty for EdDSA, which has its own
  std::string_view curve{};        // of ES: OpenSSL's name of its group
  std::size_t coordinate_bytes{};  // of ES: a signature is two numbers of so many bytes
  bool probabilistic = false;      // of RSA: PSS instead of PKCS #1 v1.5
};

// Null for every other name, "none" among them.
const Algorithm* find_algorithm(std::string_view name);

// "an RSA public key", for messages.
std::string_view to_string(KeyFamily family);

}  // namespace pgtide
