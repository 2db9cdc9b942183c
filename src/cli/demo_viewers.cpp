#include "cli/demo_viewers.hpp"

#include <chrono>
#include <cstdio>
#include <random>

#include "auth/token_maker.hpp"

namespace pgtide {
namespace {

constexpr std::chrono::hours token_lifetime{24 * 365};  // longer than any demo

std::string make_secret() {
  std::random_device random;
  std::string secret;
  for (int i = 0; i < 8; ++i) {
    char digits[9];
    std::snprintf(digits, sizeof digits, "%08x", static_cast<unsigned>(random()));
    secret += digits;
  }
  return secret;
}

Result<std::string> token_for(const Config::Auth& auth, const char* user, const char* role) {
  TokenWish wish{.user = user};
  if (*role != '\0') wish.roles.emplace_back(role);
  wish.now = std::chrono::system_clock::now();
  wish.expires_at = wish.now + token_lifetime;
  return make_token(auth, wish);
}

}  // namespace

Result<std::vector<DemoViewer>> make_viewers(Config::Auth& auth) {
  auth = Config::Auth{};
  auth.jwt.secret = make_secret();
  std::vector<DemoViewer> viewers{
      {"Anonymous", "", "what is published, and no e-mail addresses"},
      {"Ada", "user 1", "what is published, and her own drafts"},
      {"Grace", "user 2", "what is published, and her own drafts"},
      {"Admin", "role admin", "everything, e-mail addresses too"}};
  const char* const users[][2] = {{"", ""}, {"1", ""}, {"2", ""}, {"admin", "admin"}};
  for (std::size_t i = 1; i < viewers.size(); ++i) {
    auto token = token_for(auth, users[i][0], users[i][1]);
    if (!token) return token.error();
    viewers[i].token = std::move(*token);
  }
  return viewers;
}

}  // namespace pgtide
