#pragma once
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "model/identity.hpp"
#include "model/text_map.hpp"

namespace pgtide {

// Which tokens were found to be signed, and by which key, so that a client that comes back makes
// nobody compute its signature again, and is let in where strangers wait (Effort). It holds digests
// under a key of chance, and no token. Bounded: of those that came back least recently it forgets
// half, when there are twice `generation_max`. Any thread; a short lock.
class VerifiedTokens {
 public:
  static constexpr std::size_t generation_max = 8'192;

  VerifiedTokens();

  // What a token is known by here.
  std::string digest_of(std::string_view token) const;
  // The key that had signed it.
  std::optional<KeyPrint> find(const std::string& digest);
  void note(const std::string& digest, KeyPrint fingerprint);

 private:
  using Generation = TextMap<KeyPrint>;
  void put(const std::string& digest, KeyPrint fingerprint);

  const std::string key_;
  std::mutex mutex_;
  Generation young_;
  Generation old_;
};

}  // namespace pgtide
