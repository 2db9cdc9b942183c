#pragma once
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/key_ring.hpp"
#include "model/identity.hpp"
#include "pgtide/config.hpp"
#include "pgtide/result.hpp"

namespace pgtide {

// Whose a token or an API key is (PROTOCOL 1). Errors of the verify functions are
// ErrorKind::denied, with a sentence for the client's developer that never holds a byte of the
// credential.
//
// Threading: verify_*() on any thread; reload_if_changed() on one at a time. The keys are an
// immutable ring that a reload replaces whole.
class Authenticator {
 public:
  // Longer tokens are refused unread; the longest that browsers' headers take is half of it.
  static constexpr std::size_t token_bytes_max = 16'384;

  // Reads the keys. Errors: invalid, all faults, a line each.
  static Result<std::shared_ptr<Authenticator>> make(const Config::Auth& auth);

  // Strict: three parts in base64url without padding, a header without duplicates and `crit`, an
  // algorithm that is configured and a key of its kind. `typ` is ignored. `kid` picks the key,
  // and is compared only; without it each key that fits is tried.
  Result<Identity> verify_token(std::string_view token,
                                std::chrono::system_clock::time_point now) const;
  // Compares with every key, in constant time.
  Result<Identity> verify_key(std::string_view key) const;

  // Reads the files of auth.jwt anew where one is another than before: true where the keys are new
  // ones. On an error (invalid) the old keys stay, and it is told once per change.
  Result<bool> reload_if_changed();
  // What of the keys' files is of no use since the last reload; a line each.
  std::string key_warnings() const;
  // Are there files to look at?
  bool has_files() const;

 private:
  struct ApiKey {
    std::string hash;  // 32 bytes
    Principal principal;
  };
  explicit Authenticator(const Config::Auth& auth);

  const Config::Jwt jwt_;
  std::vector<ApiKey> api_keys_;
  std::atomic<std::shared_ptr<const KeyRing>> ring_;
  std::vector<FileStamp> stamps_;
};

}  // namespace pgtide
