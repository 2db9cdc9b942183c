#include "auth/verifying_key.hpp"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "auth/openssl_pointer.hpp"

namespace pgtide {
namespace {

using DigestContext = OpensslPointer<EVP_MD_CTX, EVP_MD_CTX_free>;
using EcdsaSignature = OpensslPointer<ECDSA_SIG, ECDSA_SIG_free>;
using BigNumber = OpensslPointer<BIGNUM, BN_free>;
using MemoryInput = OpensslPointer<BIO, BIO_free>;

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Error unusable(std::string what) {
  ERR_clear_error();
  return {ErrorKind::invalid, std::move(what)};
}

const EVP_MD* digest_of(const Algorithm& algorithm) {
  if (algorithm.digest.empty()) return nullptr;
  return EVP_get_digestbyname(std::string(algorithm.digest).c_str());
}

// JWS has the two numbers of an ECDSA signature side by side (RFC 7518, 3.4), OpenSSL in DER.
std::string to_der(std::string_view signature, std::size_t coordinate_bytes) {
  if (signature.size() != 2 * coordinate_bytes) return {};
  const auto size = static_cast<int>(coordinate_bytes);
  BigNumber r(BN_bin2bn(octets(signature), size, nullptr));
  BigNumber s(BN_bin2bn(octets(signature.substr(coordinate_bytes)), size, nullptr));
  const EcdsaSignature pair(ECDSA_SIG_new());
  if (!r || !s || !pair || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return {};
  (void)r.release();
  (void)s.release();
  unsigned char* der = nullptr;
  const int bytes = i2d_ECDSA_SIG(pair.get(), &der);
  if (bytes <= 0) return {};
  std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(bytes));
  OPENSSL_free(der);
  return text;
}

// As X.509 has it (SubjectPublicKeyInfo).
std::string to_der(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int bytes = i2d_PUBKEY(key, &der);
  PGTIDE_ASSERT(bytes > 0);
  std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(bytes));
  OPENSSL_free(der);
  return text;
}

bool use_padding(EVP_PKEY_CTX* context, const Algorithm& algorithm) {
  if (!algorithm.probabilistic) return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) > 0;
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0;
}

std::string group_name(EVP_PKEY* key) {
  std::array<char, 80> name{};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key, name.data(), name.size(), &size) != 1) return {};
  return {name.data(), size};
}

// By what was measured (docs/decisions/auth.md), rounded up. An RSA key takes the square of its
// bits, a large curve ten times a small one.
std::chrono::microseconds cost_of(KeyFamily family, int bits) {
  constexpr int rsa_cost = 25, small_curve_cost = 60, edwards_cost = 85, large_curve_cost = 600;
  constexpr int small_curve_bits = 256;
  if (family == KeyFamily::rsa) {
    const int times = (bits + VerifyingKey::rsa_bits_min - 1) / VerifyingKey::rsa_bits_min;
    return std::chrono::microseconds(rsa_cost * times * times);
  }
  if (bits > small_curve_bits) return std::chrono::microseconds(large_curve_cost);
  return std::chrono::microseconds(family == KeyFamily::elliptic ? small_curve_cost
                                                                 : edwards_cost);
}

}  // namespace

void PublicKeyDeleter::operator()(EVP_PKEY* key) const {
  EVP_PKEY_free(key);
}

Result<VerifyingKey> VerifyingKey::from_secret(std::string secret) {
  if (secret.size() < secret_bytes_min) {
    return unusable(
        "the secret is too short: it must have at least 32 bytes, such as those of "
        "`openssl rand -hex 32`");
  }
  VerifyingKey made;
  made.fingerprint_ = print_of("secret " + secret);
  made.secret_ = std::move(secret);
  return made;
}

Result<VerifyingKey> VerifyingKey::from_public(PublicKey key) {
  VerifyingKey made;
  const int kind = EVP_PKEY_get_base_id(key.get());
  if (kind == EVP_PKEY_RSA || kind == EVP_PKEY_RSA_PSS) {
    made.family_ = KeyFamily::rsa;
    if (EVP_PKEY_get_bits(key.get()) < rsa_bits_min) {
      return unusable("the RSA key is too small: it must have at least 2048 bits");
    }
  } else if (kind == EVP_PKEY_EC) {
    made.family_ = KeyFamily::elliptic;
    made.curve_ = group_name(key.get());
  } else if (kind == EVP_PKEY_ED25519 || kind == EVP_PKEY_ED448) {
    made.family_ = KeyFamily::edwards;
  } else {
    return unusable("a kind of key that no accepted algorithm uses");
  }
  made.fingerprint_ = print_of("public " + to_der(key.get()));
  made.signature_bytes_ = static_cast<std::size_t>(EVP_PKEY_get_size(key.get()));
  made.cost_ = cost_of(made.family_, EVP_PKEY_get_bits(key.get()));
  made.public_ = std::move(key);
  return made;
}

Result<VerifyingKey> VerifyingKey::from_pem(const std::string& text) {
  if (text.find("PRIVATE KEY") != std::string::npos) {
    return unusable("holds a private key: give pgtide the public one only");
  }
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    return unusable("is no PEM text of a public key");
  }
  const MemoryInput input(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  PublicKey key(input ? PEM_read_bio_PUBKEY(input.get(), nullptr, nullptr, nullptr) : nullptr);
  if (!key) return unusable("is no PEM text of a public key (BEGIN PUBLIC KEY)");
  return from_public(std::move(key));
}

bool VerifyingKey::fits(const Algorithm& algorithm) const {
  return algorithm.family == family_ && algorithm.curve == curve_;
}

bool VerifyingKey::takes_size(const Algorithm& algorithm, std::size_t signature_bytes) const {
  if (family_ == KeyFamily::secret) return true;
  if (family_ == KeyFamily::elliptic) return signature_bytes == 2 * algorithm.coordinate_bytes;
  return signature_bytes == signature_bytes_;
}

bool VerifyingKey::verify(const Algorithm& algorithm, std::string_view text,
                          std::string_view signature) const {
  PGTIDE_ASSERT(fits(algorithm));
  if (family_ == KeyFamily::secret) {
    return equal_in_constant_time(sign_with_secret(algorithm, secret_, text), signature);
  }
  const bool matches = verify_asymmetric(algorithm, text, signature);
  ERR_clear_error();  // what a wrong signature leaves there is nobody's
  return matches;
}

bool VerifyingKey::verify_asymmetric(const Algorithm& algorithm, std::string_view text,
                                     std::string_view signature) const {
  std::string der;
  if (family_ == KeyFamily::elliptic) {
    der = to_der(signature, algorithm.coordinate_bytes);
    if (der.empty()) return false;
    signature = der;
  }
  const DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* settings = nullptr;  // the context's
  const bool begun = context && EVP_DigestVerifyInit(context.get(), &settings, digest_of(algorithm),
                                                     nullptr, public_.get()) == 1;
  if (!begun || (family_ == KeyFamily::rsa && !use_padding(settings, algorithm))) return false;
  return EVP_DigestVerify(context.get(), octets(signature), signature.size(), octets(text),
                          text.size()) == 1;
}

std::string sign_with_secret(const Algorithm& algorithm, std::string_view secret,
                             std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> made{};
  unsigned size = 0;
  const auto secret_bytes = static_cast<int>(secret.size());
  const auto* const done = HMAC(digest_of(algorithm), secret.data(), secret_bytes, octets(text),
                                text.size(), made.data(), &size);
  PGTIDE_ASSERT(done != nullptr);
  return {reinterpret_cast<const char*>(made.data()), size};
}

std::string sha256(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> made{};
  unsigned size = 0;
  const int done =
      EVP_Digest(bytes.data(), bytes.size(), made.data(), &size, EVP_sha256(), nullptr);
  PGTIDE_ASSERT(done == 1);
  return {reinterpret_cast<const char*>(made.data()), size};
}

KeyPrint print_of(std::string_view key) {
  KeyPrint print = 0;
  const std::string digest = sha256(key);
  std::memcpy(&print, digest.data(), sizeof print);
  return print;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace pgtide
