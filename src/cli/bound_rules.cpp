#include "cli/bound_rules.hpp"

#include <algorithm>
#include <cstdio>

#include "bridge/rules_loader.hpp"
#include "capture/inspection.hpp"
#include "cli/terminal.hpp"

namespace pgtide {

BoundRules unbound(const Error& error, int exit_code) {
  BoundRules bound{.exit_code = exit_code};
  add_lines(bound.problems, error.to_string());
  return bound;
}

BoundRules bind_rules(const SettingSources& sources) {
  const auto config = load_settings(sources);
  return config ? bind_rules(*config) : unbound(config.error(), exit_usage);
}

BoundRules bind_rules(const Config& config) {
  const auto rules = load_rules(config.rules, config.rules_named);
  if (!rules) return unbound(rules.error(), exit_usage);
  const auto catalog = read_catalog(config.database.url, listed_tables(**rules));
  if (!catalog) return unbound(catalog.error(), exit_failure);
  BoundRules bound{.policy = Policy::bind(*rules, *catalog, nullptr)};
  bound.problems = bound.policy->problems();
  if (!bound.problems.empty()) bound.exit_code = exit_usage;
  return bound;
}

void print_problems(const std::vector<std::string>& problems) {
  std::fflush(stdout);
  for (const std::string& problem : problems) std::fprintf(stderr, "pgtide: %s\n", problem.c_str());
}

void add_lines(std::vector<std::string>& lines, const std::string& text) {
  std::size_t start = 0;
  while (start <= text.size()) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    if (end > start) lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
}

}  // namespace pgtide
