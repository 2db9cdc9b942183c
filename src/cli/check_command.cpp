#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/bound_rules.hpp"
#include "cli/commands.hpp"
#include "cli/terminal.hpp"

namespace pgtide {

int check_command(const SettingSources& sources, bool json) {
  const BoundRules bound = check_all(sources);
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
