#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "auth/algorithm.hpp"
#include "model/identity.hpp"
#include "pgtide/result.hpp"

typedef struct evp_pkey_st EVP_PKEY;

namespace pgtide {

struct PublicKeyDeleter {
  void operator()(EVP_PKEY* key) const;
};
using PublicKey = std::unique_ptr<EVP_PKEY, PublicKeyDeleter>;

// A key that signatures are checked with. Immutable; any thread.
class VerifyingKey {
 public:
  static constexpr std::size_t secret_bytes_min = 32;  // RFC 7518, 3.2: of HS256's hash
  static constexpr int rsa_bits_min = 2'048;           // RFC 7518, 3.3

  // Errors: invalid, without the key: a secret that is too short, an RSA key that is too small, a
  // curve or a kind of key that no algorithm uses.
  static Result<VerifyingKey> from_secret(std::string secret);
  static Result<VerifyingKey> from_public(PublicKey key);
  static Result<VerifyingKey> from_pem(const std::string& text);

  KeyFamily family() const { return family_; }
  // The same for the same key, however it is written, and for no other.
  KeyPrint fingerprint() const { return fingerprint_; }
  // Is it of the algorithm's family, and on its curve?
  bool fits(const Algorithm& algorithm) const;
  // Can a signature of it have so many bytes? Known without computing anything.
  bool takes_size(const Algorithm& algorithm, std::size_t signature_bytes) const;
  // What verify() takes, about; of a secret nothing.
  std::chrono::microseconds cost() const { return cost_; }
  // Does `signature` belong to `text`? The key fits the algorithm. Total over any bytes.
  bool verify(const Algorithm& algorithm, std::string_view text, std::string_view signature) const;

 private:
  VerifyingKey() = default;
  bool verify_asymmetric(const Algorithm& algorithm, std::string_view text,
                         std::string_view signature) const;

  KeyFamily family_ = KeyFamily::secret;
  KeyPrint fingerprint_ = 0;
  std::string secret_{};
  std::string curve_{};
  PublicKey public_{};
  std::size_t signature_bytes_ = 0;  // of a public key, but not of ES
  std::chrono::microseconds cost_{};
};

// HMAC of `text`, as HS* signs it. `algorithm` is of the family `secret`.
std::string sign_with_secret(const Algorithm& algorithm, std::string_view secret,
                             std::string_view text);

// 32 bytes.
std::string sha256(std::string_view bytes);
// The first eight bytes of it.
KeyPrint print_of(std::string_view key);
// Takes as long for equal texts as for others of the same size.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace pgtide
