#pragma once
#include <doctest/doctest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>
#include <vector>

#include "auth/base64url.hpp"
#include "auth/verifying_key.hpp"

// What an issuer does, for tests: makes keys, signs with them, publishes them.
namespace pgtide::test {

// A pair of keys of one algorithm. RSA and the ES curves and Ed25519; secrets are plain texts.
class Signer {
 public:
  explicit Signer(const std::string& algorithm) : algorithm_(algorithm), key_(make(algorithm)) {
    REQUIRE(key_ != nullptr);
  }

  // JWS in compact form, whatever the header says.
  std::string token(const std::string& header, const std::string& payload) const {
    const std::string text = encode_base64url(header) + "." + encode_base64url(payload);
    return text + "." + encode_base64url(sign(text));
  }
  std::string token(const std::string& payload) const {
    return token("{\"alg\":\"" + algorithm_ + "\"}", payload);
  }

  std::string pem() const {
    return written([this](BIO* out) { return PEM_write_bio_PUBKEY(out, key_.get()); });
  }
  std::string private_pem() const {
    return written([this](BIO* out) {
      return PEM_write_bio_PrivateKey(out, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }

  // The public half as an entry of a key set; `more`: further members, each with a comma before.
  std::string jwk(const std::string& more = "") const {
    if (algorithm_ == "EdDSA") {
      std::string raw(32, '\0');
      std::size_t size = raw.size();
      REQUIRE(EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(raw.data()),
                                          &size) == 1);
      return R"({"kty":"OKP","crv":"Ed25519","x":")" + encode_base64url(raw) + "\"" + more + "}";
    }
    if (algorithm_[0] != 'E') {
      return R"({"kty":"RSA","n":")" + number(OSSL_PKEY_PARAM_RSA_N, 0) + R"(","e":")" +
             number(OSSL_PKEY_PARAM_RSA_E, 0) + "\"" + more + "}";
    }
    const std::size_t bytes = coordinate_bytes();
    const std::string curve = bytes == 32 ? "P-256" : bytes == 48 ? "P-384" : "P-521";
    return R"({"kty":"EC","crv":")" + curve + R"(","x":")" +
           number(OSSL_PKEY_PARAM_EC_PUB_X, bytes) + R"(","y":")" +
           number(OSSL_PKEY_PARAM_EC_PUB_Y, bytes) + "\"" + more + "}";
  }

  std::string sign(const std::string& text) const {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_PKEY_CTX* settings = nullptr;
    const bool own_hash = algorithm_ == "EdDSA";
    const std::string digest = own_hash ? "" : "SHA" + algorithm_.substr(2);
    REQUIRE(EVP_DigestSignInit(context, &settings,
                               own_hash ? nullptr : EVP_get_digestbyname(digest.c_str()), nullptr,
                               key_.get()) == 1);
    if (algorithm_[0] == 'P') {
      REQUIRE(EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) > 0);
      REQUIRE(EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST) > 0);
    }
    std::size_t size = 0;
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    REQUIRE(EVP_DigestSign(context, nullptr, &size, bytes, text.size()) == 1);
    std::string made(size, '\0');
    REQUIRE(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(made.data()), &size, bytes,
                           text.size()) == 1);
    EVP_MD_CTX_free(context);
    made.resize(size);
    return algorithm_.starts_with("ES") ? side_by_side(made) : made;
  }

 private:
  template <class Write>
  static std::string written(Write write) {
    BIO* out = BIO_new(BIO_s_mem());
    REQUIRE(write(out) == 1);
    std::string text(BIO_ctrl_pending(out), '\0');
    REQUIRE(BIO_read(out, text.data(), static_cast<int>(text.size())) > 0);
    BIO_free(out);
    return text;
  }
  static PublicKey make(const std::string& algorithm) {
    if (algorithm == "EdDSA") return PublicKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    if (algorithm == "ES256") return PublicKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
    if (algorithm == "ES384") return PublicKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384"));
    if (algorithm == "ES512") return PublicKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-521"));
    return PublicKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2'048}));
  }
  std::size_t coordinate_bytes() const {
    return algorithm_ == "ES256" ? 32 : algorithm_ == "ES384" ? 48 : 66;
  }
  std::string number(const char* name, std::size_t bytes) const {
    BIGNUM* value = nullptr;
    REQUIRE(EVP_PKEY_get_bn_param(key_.get(), name, &value) == 1);
    const std::size_t size = bytes > 0 ? bytes : static_cast<std::size_t>(BN_num_bytes(value));
    std::string text(size, '\0');
    BN_bn2binpad(value, reinterpret_cast<unsigned char*>(text.data()), static_cast<int>(size));
    BN_free(value);
    return encode_base64url(text);
  }
  std::string side_by_side(const std::string& der) const {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
    REQUIRE(pair != nullptr);
    const auto bytes = static_cast<int>(coordinate_bytes());
    std::string text(2 * coordinate_bytes(), '\0');
    auto* out = reinterpret_cast<unsigned char*>(text.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, bytes);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + bytes, bytes);
    ECDSA_SIG_free(pair);
    return text;
  }

  std::string algorithm_;
  PublicKey key_;
};

// A token of HS256, HS384 or HS512.
inline std::string secret_token(const std::string& secret, const std::string& payload,
                                const std::string& header = R"({"alg":"HS256"})",
                                const std::string& algorithm = "HS256") {
  const std::string text = encode_base64url(header) + "." + encode_base64url(payload);
  return text + "." + encode_base64url(sign_with_secret(*find_algorithm(algorithm), secret, text));
}

}  // namespace pgtide::test
