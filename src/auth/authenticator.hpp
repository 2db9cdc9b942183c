#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/key_ring.hpp"
#include "auth/verified_tokens.hpp"
#include "model/identity.hpp"
#include "pgtide/config.hpp"
#include "pgtide/result.hpp"

namespace pgtide {

struct TokenParts;
struct TokenHeader;

// What the signatures of public keys may cost that a token makes us compute, and have cost; the
// hashes of secrets and API keys are nearly free.
struct Effort {
  bool none = false;  // computes none: a token that is not known from before is `unavailable`
  std::chrono::microseconds wasted{};  // about; on a token that none of the keys has signed
};

// Whose a token or an API key is (PROTOCOL 1). Errors of the verify functions are
// ErrorKind::denied, with a sentence for the client's developer that never holds a byte of the
// credential.
//
// Threading: verify_*(), still_accepts() and problems() on any thread; reload_if_changed() and
// replace_api_keys() on one at a time each. The keys are immutable and replaced whole.
class Authenticator {
 public:
  // Longer tokens are refused unread; the longest that browsers' headers take is half of it.
  static constexpr std::size_t token_bytes_max = 16'384;
  // Keys that one token is tried with: what its bearer can make us compute.
  static constexpr std::size_t tries_max = 4;
  // What a token's header may hold: each value is read before anything is known of its signature.
  static constexpr std::size_t header_values_max = 64;

  // Reads the keys. Errors: invalid, all faults, a line each.
  static Result<std::shared_ptr<Authenticator>> make(const Config::Auth& auth);

  // Strict: three parts in base64url without padding, a header without duplicates and `crit`, an
  // algorithm that is configured and a key of its kind, and the `typ` that is wanted, if one is.
  // `kid` picks the key, and is compared only; without it the first keys that fit are tried,
  // `tries_max` at most. An API key's name is no token's: who issues tokens could else speak for
  // it. A token whose signature was right before is not computed again while its key is there.
  Result<Identity> verify_token(std::string_view token, std::chrono::system_clock::time_point now,
                                Effort& effort) const;
  Result<Identity> verify_token(std::string_view token,
                                std::chrono::system_clock::time_point now) const {
    Effort any;
    return verify_token(token, now, any);
  }
  // One hash and one look-up, however many keys there are.
  Result<Identity> verify_key(std::string_view key) const;

  // Signatures that were computed since the beginning, right or wrong.
  std::uint64_t signature_checks() const { return signature_checks_; }

  // Would the credential by which `identity` was proven still be accepted, as far as keys go? Not
  // where its key was taken out, or its user's name is an API key's by now.
  bool still_accepts(const Principal& principal, KeyPrint key) const;

  // Reads the files of auth.jwt anew where one is another than before, or where the last reading
  // failed: true where the keys are new ones. On an error (invalid) the old keys stay.
  Result<bool> reload_if_changed();
  // The same for auth.api_keys, which somebody else has read, or could not: true where they are
  // other ones.
  Result<bool> replace_api_keys(const Result<std::vector<Config::ApiKey>>& read);
  // What of the keys' files is of no use since the last reload; a line each.
  std::string key_warnings() const;
  // What is wrong with the keys now, for the operator: files that could not be read, and those
  // warnings. A line each. Any thread.
  std::vector<std::string> problems() const;
  // Are there files to look at?
  bool has_files() const;

 private:
  struct ApiKey {
    Principal principal;
    KeyPrint fingerprint;  // of hash, name and roles
  };
  using ApiKeys = std::map<std::string, ApiKey>;  // by their hashes, 32 bytes
  using Text = std::shared_ptr<const std::string>;
  explicit Authenticator(const Config::Auth& auth);
  static std::shared_ptr<const ApiKeys> make_api_keys(const std::vector<Config::ApiKey>& listed);
  bool is_api_key_name(std::string_view name) const;
  // The key that has signed it.
  Result<KeyPrint> check_signature(const TokenParts& parts, const TokenHeader& header,
                                      const KeyRing& ring, Effort& effort) const;

  const Config::Jwt jwt_;
  std::atomic<std::shared_ptr<const ApiKeys>> api_keys_;
  mutable std::atomic<std::uint64_t> signature_checks_ = 0;
  mutable VerifiedTokens verified_;
  std::atomic<std::shared_ptr<const KeyRing>> ring_;
  std::vector<FileStamp> stamps_;     // of what is in force
  std::atomic<Text> file_fault_;      // null: the last reading went well
  std::atomic<Text> api_key_fault_;
};

}  // namespace pgtide
