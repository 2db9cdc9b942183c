#include <chrono>
#include <cstdio>

#include "auth/token_maker.hpp"
#include "cli/commands.hpp"
#include "cli/terminal.hpp"
#include "config/config_file.hpp"

namespace pgtide {
namespace {

constexpr std::chrono::hours token_lifetime_max{24 * 3'650};

Result<TokenWish> make_wish(const TokenCommand& command) {
  TokenWish wish{.user = command.user, .roles = command.roles};
  wish.now = std::chrono::system_clock::now();
  const auto lifetime = parse_duration(command.expires);
  if (!lifetime) return Error{lifetime.error().kind, lifetime.error().message, "--expires"};
  if (*lifetime > token_lifetime_max) {
    return Error{ErrorKind::invalid, "a token lives for 3650d at most", "--expires"};
  }
  wish.expires_at = wish.now + *lifetime;
  for (const std::string& claim : command.claims) {
    const std::size_t equals = claim.find('=');
    if (equals == std::string::npos) {
      return Error{ErrorKind::invalid, "write name=JSON, such as team=7", "--claim"};
    }
    wish.claims.emplace_back(claim.substr(0, equals), claim.substr(equals + 1));
  }
  return wish;
}

Error explained(const Error& error) {
  if (!error.context.starts_with("auth.jwt.")) return error;
  return {error.kind,
          error.message + "\npgtide signs with the shared secret of HS256; set one with "
                          "PGTIDE_AUTH_JWT_SECRET, auth.jwt.secret or auth.jwt.secret_file",
          error.context};
}

}  // namespace

int token_command(const SettingSources& sources, const TokenCommand& command) {
  const auto config = load_settings(sources);
  if (!config) return report_settings_fault(config.error());
  const auto wish = make_wish(command);
  if (!wish) return report_settings_fault(wish.error());
  const auto token = make_token(config->auth, *wish);
  if (!token) return report_settings_fault(explained(token.error()));
  std::printf("%s\n", token->c_str());
  return exit_fine;
}

}  // namespace pgtide
