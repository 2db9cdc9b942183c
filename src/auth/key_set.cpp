#include "auth/key_set.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "auth/base64url.hpp"
#include "auth/openssl_pointer.hpp"
#include "auth/strict_json.hpp"

namespace pgtide {
namespace {

using nlohmann::json;

using Parameters = OpensslPointer<OSSL_PARAM, OSSL_PARAM_free>;
using ParameterBuilder = OpensslPointer<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using KeyContext = OpensslPointer<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using Number = OpensslPointer<BIGNUM, BN_free>;

// RFC 7518, 6.2.1.1, with OpenSSL's names.
struct Curve {
  std::string_view name;
  const char* group;
  std::size_t coordinate_bytes;
};
constexpr std::array<Curve, 3> curves{
    {{"P-256", "prime256v1", 32}, {"P-384", "secp384r1", 48}, {"P-521", "secp521r1", 66}}};
// RFC 7518 allows any size; past this one a verification takes milliseconds.
constexpr std::size_t modulus_bytes_max = 1'024;

Error malformed(std::string what) {
  ERR_clear_error();
  return {ErrorKind::invalid, std::move(what)};
}

// A member that must be a text; "" where it is none.
std::string text_of(const json& key, const char* name) {
  const auto found = key.find(name);
  return found != key.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// A member that holds bytes; "" where it is none.
std::string bytes_of(const json& key, const char* name) {
  return decode_base64url(text_of(key, name)).value_or(std::string());
}

Number to_number(const std::string& bytes) {
  return Number(BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                          static_cast<int>(bytes.size()), nullptr));
}

Result<VerifyingKey> build(const char* kind, const ParameterBuilder& builder) {
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr));
  EVP_PKEY* made = nullptr;
  const bool built =
      parameters && context && EVP_PKEY_fromdata_init(context.get()) == 1 &&
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters.get()) == 1;
  PublicKey key(made);
  if (!built) return malformed("is no public key");
  const KeyContext checking(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  if (!checking || EVP_PKEY_public_check(checking.get()) != 1) {
    return malformed("is no valid public key");
  }
  return VerifyingKey::from_public(std::move(key));
}

Result<VerifyingKey> read_rsa(const json& key) {
  const std::string modulus = bytes_of(key, "n");
  const std::string exponent = bytes_of(key, "e");
  if (modulus.empty() || exponent.empty()) return malformed("needs n and e in base64url");
  if (modulus.size() > modulus_bytes_max || exponent.size() > 8) return malformed("is too large");
  const ParameterBuilder builder(OSSL_PARAM_BLD_new());
  const Number n = to_number(modulus);
  const Number e = to_number(exponent);
  if (!builder || !n || !e ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return malformed("is no RSA key");
  }
  return build("RSA", builder);
}

// In the curve's size; zeros in front that its writer has left out are put back.
std::string coordinate_of(const json& key, const char* name, const Curve& curve) {
  std::string bytes = bytes_of(key, name);
  if (bytes.empty() || bytes.size() > curve.coordinate_bytes) return {};
  return std::string(curve.coordinate_bytes - bytes.size(), '\0') + bytes;
}

Result<VerifyingKey> read_elliptic(const json& key, const Curve& curve) {
  const std::string x = coordinate_of(key, "x", curve);
  const std::string y = coordinate_of(key, "y", curve);
  if (x.empty() || y.empty()) {
    return malformed("needs x and y in base64url, in the curve's size at most");
  }
  const std::string point = '\x04' + x + y;  // uncompressed (SEC 1, 2.3.3)
  const ParameterBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.group, 0) !=
          1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    return malformed("is no key on its curve");
  }
  return build("EC", builder);
}

Result<VerifyingKey> read_edwards(const json& key, int kind) {
  const std::string x = bytes_of(key, "x");
  PublicKey made(EVP_PKEY_new_raw_public_key(
      kind, nullptr, reinterpret_cast<const unsigned char*>(x.data()), x.size()));
  if (!made) return malformed("needs x in base64url, in the curve's size");
  return VerifyingKey::from_public(std::move(made));
}

// None where it is of a kind that is not known here.
std::optional<Result<VerifyingKey>> read_key(const json& key) {
  const std::string kind = text_of(key, "kty");
  const std::string curve_name = text_of(key, "crv");
  if (kind == "RSA") return read_rsa(key);
  if (kind == "oct") return VerifyingKey::from_secret(bytes_of(key, "k"));
  if (kind == "OKP" && curve_name == "Ed25519") return read_edwards(key, EVP_PKEY_ED25519);
  if (kind == "OKP" && curve_name == "Ed448") return read_edwards(key, EVP_PKEY_ED448);
  if (kind != "EC") return std::nullopt;
  const auto* const curve = std::find_if(
      curves.begin(), curves.end(), [&](const Curve& known) { return known.name == curve_name; });
  if (curve == curves.end()) return std::nullopt;
  return read_elliptic(key, *curve);
}

bool is_for_signatures(const json& key) {
  const std::string use = text_of(key, "use");
  if (!use.empty() && use != "sig") return false;
  const auto operations = key.find("key_ops");
  if (operations == key.end() || !operations->is_array()) return true;
  return std::find(operations->begin(), operations->end(), json("verify")) != operations->end();
}

Result<void> add_key(const json& key, std::vector<NamedKey>& keys) {
  if (!key.is_object()) return malformed("is no object");
  if (!is_for_signatures(key)) return {};
  auto read = read_key(key);
  if (!read) return {};
  if (!*read) return read->error();
  std::optional<std::string> id;
  if (key.contains("kid")) id = text_of(key, "kid");
  keys.push_back({std::move(**read), std::move(id), text_of(key, "alg")});
  return {};
}

}  // namespace

Result<KeySet> parse_key_set(std::string_view text) {
  const auto set = parse_strict_object(text);
  if (!set) return malformed("is no JSON object");
  const auto members = set->find("keys");
  if (members == set->end() || !members->is_array()) return malformed("has no list `keys`");
  if (members->size() > keys_max) {
    return malformed("holds more than " + std::to_string(keys_max) + " keys");
  }
  KeySet found;
  for (std::size_t i = 0; i < members->size(); ++i) {
    if (auto added = add_key((*members)[i], found.keys); !added) {
      found.faults.push_back("key " + std::to_string(i + 1) + ": " + added.error().message);
    }
  }
  return found;
}

}  // namespace pgtide
