#pragma once
#include <string_view>

#include "model/identity.hpp"
#include "pgtide/result.hpp"

namespace pgtide {

// What the gateway asks of the bridge about credentials. Called on the shards' threads, several at
// a time; must not block. Refusals are for the client's developer, and hold no byte of the
// credential: denied; or unavailable, where `address`, the client's, has made us compute so many
// signatures in vain that none was computed for this one, which is not known from before.
class Gatekeeper {
 public:
  virtual ~Gatekeeper() = default;
  virtual Result<Identity> by_token(std::string_view token, std::string_view address) const = 0;
  virtual Result<Identity> by_key(std::string_view key, std::string_view address) const = 0;
  // Is a credential that was accepted before, with the key that it named, worth something still?
  virtual bool still_accepts(const Principal& user, KeyPrint key) const = 0;
  // May this user (null: anonymous) subscribe to everything, and so run the server?
  virtual bool administers(const Principal* user) const = 0;
};

}  // namespace pgtide
