#include <cstdio>
#include <nlohmann/json.hpp>

#include "auth/authenticator.hpp"
#include "bridge/rules_loader.hpp"
#include "capture/inspection.hpp"
#include "cli/commands.hpp"
#include "cli/terminal.hpp"
#include "gateway/trusted_proxies.hpp"
#include "rules/policy.hpp"

namespace pgtide {
namespace {

struct Finding {
  std::vector<std::string> problems{};
  int exit_code = exit_fine;
};

void add_lines(std::vector<std::string>& lines, const std::string& text) {
  std::size_t start = 0;
  while (start <= text.size()) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    if (end > start) lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
}

Finding found(const Error& error, int exit_code) {
  Finding finding{{}, exit_code};
  add_lines(finding.problems, error.to_string());
  return finding;
}

// All faults of the first thing that is wrong: configuration, rules, both against the database.
Finding check(const SettingSources& sources) {
  const auto config = load_settings(sources);
  if (!config) return found(config.error(), exit_usage);
  const auto keys = Authenticator::make(config->auth);
  if (!keys) return found(keys.error(), exit_usage);
  const auto proxies = TrustedProxies::parse(config->server.trusted_proxies);
  if (!proxies) return found(proxies.error(), exit_usage);
  const auto rules = load_rules(config->rules, config->rules_named);
  if (!rules) return found(rules.error(), exit_usage);
  const auto catalog = read_catalog(config->database.url, listed_tables(**rules));
  if (!catalog) return found(catalog.error(), exit_failure);
  const auto policy = Policy::bind(*rules, *catalog, nullptr);
  return {policy->problems(), policy->problems().empty() ? exit_fine : exit_usage};
}

}  // namespace

int check_command(const SettingSources& sources, bool json) {
  const Finding finding = check(sources);
  if (json) {
    const nlohmann::json answer{{"valid", finding.exit_code == exit_fine},
                                {"problems", finding.problems}};
    std::printf("%s\n",
                answer.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return finding.exit_code;
  }
  for (const std::string& problem : finding.problems) {
    std::fprintf(stderr, "pgtide: %s\n", problem.c_str());
  }
  if (finding.exit_code == exit_fine) std::printf("configuration and rules are valid\n");
  return finding.exit_code;
}

}  // namespace pgtide
