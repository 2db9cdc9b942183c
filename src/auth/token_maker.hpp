#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pgtide/config.hpp"
#include "pgtide/result.hpp"

namespace pgtide {

struct TokenWish {
  std::string user{};
  std::vector<std::string> roles{};
  std::chrono::system_clock::time_point now{};
  std::optional<std::chrono::system_clock::time_point> expires_at{};  // none: never
  std::vector<std::pair<std::string, std::string>> claims{};  // more of them: name, JSON text
};

// A token that this very configuration accepts, for development: signed with its HS secret, with
// its issuer and audience, id and roles where it looks for them. Errors: invalid: there is no
// secret, no HS algorithm is accepted, a claim is no JSON or is one that pgtide sets itself.
Result<std::string> make_token(const Config::Auth& auth, const TokenWish& wish);

}  // namespace pgtide
