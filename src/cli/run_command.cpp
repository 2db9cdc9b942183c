#include <spdlog/spdlog.h>

#include "bridge/core.hpp"
#include "cli/commands.hpp"
#include "cli/serve.hpp"
#include "cli/terminal.hpp"

namespace pgtide {

int run_command(const SettingSources& sources) {
  const Signals signals({SIGINT, SIGTERM, SIGHUP});
  std::vector<std::string> warnings;
  const auto config = load_settings(sources, &warnings);
  if (!config) return report_settings_fault(config.error());
  set_up_logging(config->log);
  for (const std::string& warning : warnings) spdlog::warn("{}", warning);
  BridgeCore bridge(*config, make_postgres_source);
  if (auto started = start(bridge); !started) return report_start_fault(started.error());
  spdlog::info("listening on http://{} (WebSocket: ws://{}{})", bridge.address(),
               bridge.address(), config->server.path);
  if (!bridge.admin_address().empty()) {
    spdlog::info("operators: http://{}", bridge.admin_address());
  }
  serve(bridge, signals);
  return exit_fine;
}

}  // namespace pgtide
