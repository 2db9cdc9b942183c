#include "cli/bound_rules.hpp"

#include <algorithm>
#include <cstdio>

#include "bridge/rules_loader.hpp"
#include "capture/inspection.hpp"
#include "cli/bridge_settings.hpp"
#include "cli/terminal.hpp"
#include "model/wording.hpp"

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
  auto draft = read_rules(config.rules, config.rules_named);
  if (!draft) return unbound(draft.error(), exit_usage);
  BoundRules bound;
  add_lines(bound.problems, to_string(config.rules, draft->faults));
  const auto rules = std::make_shared<const Rules>(std::move(draft->rules));
  const auto catalog = read_catalog(config.database.url, listed_tables(*rules));
  if (!catalog) {
    add_lines(bound.problems, catalog.error().to_string());
    bound.exit_code = draft->faults.empty() ? exit_failure : exit_usage;
    return bound;
  }
  const auto policy = Policy::bind(rules, *catalog, nullptr);
  for (const std::string& problem : policy->problems()) bound.problems.push_back(problem);
  if (draft->faults.empty()) bound.policy = policy;
  if (!bound.problems.empty()) bound.exit_code = exit_usage;
  return bound;
}

// What a file that cannot be read would say nobody knows; but for that all at once.
BoundRules check_all(const SettingSources& sources) {
  const Settings settings = read_settings(sources);
  BoundRules all{.problems = settings.faults};
  if (settings.readable) {
    const auto faults = find_bridge_faults(settings);
    all.problems.insert(all.problems.end(), faults.begin(), faults.end());
    const bool well = all.problems.empty();
    const BoundRules bound = bind_rules(settings.config);
    if (well) return bound;
    all.problems.insert(all.problems.end(), bound.problems.begin(), bound.problems.end());
  }
  all.exit_code = exit_usage;
  return all;
}

void print_problems(const std::vector<std::string>& problems) {
  std::fflush(stdout);
  for (const std::string& problem : problems) {
    std::fprintf(stderr, "pgtide: %s\n", clean_lines(problem, "    ").c_str());
  }
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
