#pragma once
#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

#include "auth/token_maker.hpp"
#include "pgtide/config.hpp"

// Users of the tests, with tokens of one secret.
namespace pgtide::test {

inline Config::Auth token_auth() {
  Config::Auth auth;
  auth.jwt.secret = "the tests' shared secret of 32 bytes or more";
  return auth;
}

// A lifetime below 0: it has ended that long ago, an hour at most.
inline std::string token_of(const std::string& user, const std::vector<std::string>& roles = {},
                            std::chrono::milliseconds lifetime = std::chrono::hours(1)) {
  TokenWish wish{.user = user, .roles = roles, .now = std::chrono::system_clock::now()};
  wish.expires_at = wish.now + lifetime;
  Config::Auth auth = token_auth();
  auth.jwt.leeway = std::chrono::hours(1);
  const auto token = make_token(auth, wish);
  REQUIRE(token.ok());
  return *token;
}

inline std::string bearer(const std::string& token) {
  return "Authorization: Bearer " + token;
}

}  // namespace pgtide::test
