#include "cli/serve.hpp"

#include <spdlog/spdlog.h>

#include <cstdlib>
#include <thread>

#include "cli/terminal.hpp"

namespace pgtide {
namespace {

void reload(BridgeCore& bridge) {
  if (auto loaded = bridge.reload_rules(); !loaded) {
    spdlog::error("the old rules stay in force:\n{}", loaded.error().to_string());
  } else {
    spdlog::info("rules loaded anew");
  }
}

}  // namespace

void serve(BridgeCore& bridge, const Signals& signals) {
  for (;;) {
    const int signal = signals.wait();
    if (signal != SIGHUP) break;
    reload(bridge);
  }
  spdlog::info("draining: no new connections, at most 10 s; again to stop at once");
  std::thread([signals] {
    while (signals.wait() == SIGHUP) {
    }
    std::_Exit(exit_failure);
  }).detach();
  bridge.stop();
  spdlog::info("stopped");
}

int report_start_fault(const Error& error) {
  const bool wrong_configuration = error.kind == ErrorKind::invalid ||
                                   error.kind == ErrorKind::not_found;
  return wrong_configuration ? report_settings_fault(error) : report_failure(error);
}

}  // namespace pgtide
