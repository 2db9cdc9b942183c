#include "cli/serve.hpp"

#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <thread>

#include "cli/freed_memory.hpp"
#include "cli/terminal.hpp"

namespace pgtide {
namespace {

// The drain's ten seconds (PROTOCOL 7), and a moment for its own end.
constexpr std::chrono::milliseconds stop_time_max{10'500};

// A descriptor per connection; what most systems grant at first is a tenth of limits.connections.
void raise_descriptor_limit(std::size_t connections) {
  constexpr std::size_t others = 64;  // database, listener, logs, HTTP
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < connections + others) {
    spdlog::warn("the system allows {} open files, too few for limits.connections {}: raise it "
                 "(ulimit -n, LimitNOFILE=), or lower limits.connections",
                 limit.rlim_cur, connections);
  }
}

void reload(BridgeCore& bridge) {
  if (auto loaded = bridge.reload_rules(); !loaded) {
    spdlog::error("the old rules stay in force:\n{}", loaded.error().to_string());
  } else {
    spdlog::info("rules loaded anew");
  }
}

// True: done. What fails for the same reason again is told once.
bool reload_api_keys(BridgeCore& bridge, const ReadApiKeys& read, std::string& told) {
  if (!read) return true;
  const auto replaced = bridge.replace_api_keys(read());
  const std::string fault = replaced ? "" : replaced.error().to_string();
  if (!replaced && fault != told) spdlog::error("the old API keys stay in force:\n{}", fault);
  if (replaced && *replaced) spdlog::info("auth.api_keys loaded anew");
  told = fault;
  return replaced.ok();
}

// A second signal ends it at once. And when the clients are gone and only the database keeps it (a
// server that is frozen, a broadcast that waits for a lock), nobody is served by waiting for that:
// the server ends the session and what it was about by itself.
void end_at(const Signals& signals, std::chrono::steady_clock::time_point deadline) {
  std::optional<int> signal = SIGHUP;
  while (signal == SIGHUP) signal = signals.wait_until(deadline);
  if (signal) std::_Exit(exit_failure);
  spdlog::warn("stopped, without waiting any longer for the database");
  std::_Exit(exit_fine);
}

}  // namespace

Result<void> start(BridgeCore& bridge) {
  FreedMemory::keep_some();
  raise_descriptor_limit(bridge.config().limits.connections);
  return bridge.start();
}

void serve(BridgeCore& bridge, const Signals& signals, const ReadApiKeys& read_api_keys) {
  FreedMemory freed_memory;
  std::string told;
  bool done = true;  // else the API keys are read again and again until they can be
  for (;;) {
    const auto signal = signals.wait_until(std::chrono::steady_clock::now() +
                                           FreedMemory::interval);
    if (signal && *signal != SIGHUP) break;
    if (signal) {
      told.clear();
      reload(bridge);
    } else {
      freed_memory.look();
    }
    if (signal || !done) done = reload_api_keys(bridge, read_api_keys, told);
  }
  spdlog::info("draining: no new connections, at most 10 s; again to stop at once");
  std::thread(end_at, signals, std::chrono::steady_clock::now() + stop_time_max).detach();
  bridge.stop();
  spdlog::info("stopped");
}

int report_start_fault(const Error& error) {
  const bool wrong_configuration = error.kind == ErrorKind::invalid ||
                                   error.kind == ErrorKind::not_found;
  return wrong_configuration ? report_settings_fault(error) : report_failure(error);
}

}  // namespace pgtide
