#include <spdlog/spdlog.h>

#include "bridge/core.hpp"
#include "cli/bound_rules.hpp"
#include "cli/bridge_settings.hpp"
#include "cli/commands.hpp"
#include "cli/serve.hpp"
#include "cli/terminal.hpp"

namespace pgtide {

int run_command(const SettingSources& sources) {
  const Signals signals({SIGINT, SIGTERM, SIGHUP});
  Settings settings = read_settings(sources);
  auto& faults = settings.faults;
  if (faults.empty()) faults = find_bridge_faults(settings);
  if (!faults.empty()) {
    print_problems(faults);
    return exit_usage;
  }
  const Config& config = settings.config;
  set_up_logging(config.log);
  for (const std::string& warning : settings.warnings) spdlog::warn("{}", warning);
  BridgeCore bridge(config, make_postgres_source);
  if (auto started = start(bridge); !started) return report_start_fault(started.error());
  spdlog::info("listening on http://{} (WebSocket: ws://{}{})", bridge.address(),
               bridge.address(), config.server.path);
  if (!bridge.admin_address().empty()) {
    spdlog::info("operators: http://{}", bridge.admin_address());
  }
  serve(bridge, signals, [&sources]() -> Result<std::vector<Config::ApiKey>> {
    auto read = load_settings(sources);
    if (!read) return read.error();
    return std::move(read->auth.api_keys);
  });
  return exit_fine;
}

}  // namespace pgtide
