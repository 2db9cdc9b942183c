#include "auth/verified_tokens.hpp"

#include <openssl/rand.h>

#include <utility>

#include "auth/verifying_key.hpp"
#include "pgtide/result.hpp"

namespace pgtide {
namespace {

std::string random_key() {
  std::string key(VerifyingKey::secret_bytes_min, '\0');
  const int made = RAND_bytes(reinterpret_cast<unsigned char*>(key.data()),
                              static_cast<int>(key.size()));
  PGTIDE_ASSERT(made == 1);
  return key;
}

}  // namespace

VerifiedTokens::VerifiedTokens() : key_(random_key()) {}

std::string VerifiedTokens::digest_of(std::string_view token) const {
  static const Algorithm& algorithm = *find_algorithm("HS256");
  return sign_with_secret(algorithm, key_, token);
}

std::optional<KeyPrint> VerifiedTokens::find(const std::string& digest) {
  const std::lock_guard lock(mutex_);
  if (const auto young = young_.find(digest); young != young_.end()) return young->second;
  const auto old = old_.find(digest);
  if (old == old_.end()) return std::nullopt;
  const KeyPrint fingerprint = old->second;
  put(digest, fingerprint);
  return fingerprint;
}

void VerifiedTokens::note(const std::string& digest, KeyPrint fingerprint) {
  const std::lock_guard lock(mutex_);
  put(digest, fingerprint);
}

void VerifiedTokens::put(const std::string& digest, KeyPrint fingerprint) {
  if (young_.size() >= generation_max) old_ = std::exchange(young_, {});
  young_.insert_or_assign(digest, fingerprint);
}

}  // namespace pgtide
