#pragma once
#include <memory>
#include <string>
#include <vector>

#include "cli/settings.hpp"
#include "rules/policy.hpp"

namespace pgtide {

// Configuration, rules and database as the commands that only look read them.
struct BoundRules {
  std::shared_ptr<const Policy> policy{};  // null where it did not come so far
  std::vector<std::string> problems{};     // a line each
  int exit_code = 0;                       // that goes with them
};
BoundRules bind_rules(const SettingSources& sources);
BoundRules bind_rules(const Config& config);
// All that `run` would refuse, as far as it can be found without listening.
BoundRules check_all(const SettingSources& sources);
// What is wrong, as lines.
BoundRules unbound(const Error& error, int exit_code);

// Prints "pgtide: " and each of them, on standard error.
void print_problems(const std::vector<std::string>& problems);

// Appends the lines of `text`.
void add_lines(std::vector<std::string>& lines, const std::string& text);

}  // namespace pgtide
