#include <cstdio>
#include <nlohmann/json.hpp>

#include "auth/authenticator.hpp"
#include "cli/bound_rules.hpp"
#include "cli/commands.hpp"
#include "cli/terminal.hpp"
#include "gateway/trusted_proxies.hpp"

namespace pgtide {
namespace {

// Of what only the bridge itself makes use: keys and proxies.
Result<void> check_bridge_settings(const Config& config) {
  const auto keys = Authenticator::make(config.auth);
  if (!keys) return keys.error();
  const auto proxies = TrustedProxies::parse(config.server.trusted_proxies);
  if (!proxies) return proxies.error();
  return {};
}

// What the configuration's file does not even hold cannot be looked at; but for that all at once.
BoundRules check(const SettingSources& sources) {
  const auto config = load_settings(sources);
  if (!config) return unbound(config.error(), exit_usage);
  const auto checked = check_bridge_settings(*config);
  BoundRules bound = bind_rules(*config);
  if (checked) return bound;
  BoundRules all = unbound(checked.error(), exit_usage);
  all.problems.insert(all.problems.end(), bound.problems.begin(), bound.problems.end());
  return all;
}

}  // namespace

int check_command(const SettingSources& sources, bool json) {
  const BoundRules bound = check(sources);
  if (json) {
    const nlohmann::json answer{{"valid", bound.exit_code == exit_fine},
                                {"problems", bound.problems}};
    std::printf("%s\n",
                answer.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return bound.exit_code;
  }
  print_problems(bound.problems);
  if (bound.exit_code == exit_fine) std::printf("configuration and rules are valid\n");
  return bound.exit_code;
}

}  // namespace pgtide
