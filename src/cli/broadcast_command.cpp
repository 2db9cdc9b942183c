#include <cstdio>

#include "bridge/rules_loader.hpp"
#include "capture/broadcaster.hpp"
#include "cli/commands.hpp"
#include "cli/terminal.hpp"

namespace pgtide {
namespace {

int report(const Error& error) {
  const bool wrong_usage =
      error.kind == ErrorKind::invalid || error.kind == ErrorKind::too_large;
  return wrong_usage ? report_settings_fault(error) : report_failure(error);
}

}  // namespace

int broadcast_command(const SettingSources& sources, const BroadcastCommand& command) {
  const auto config = load_settings(sources);
  if (!config) return report_settings_fault(config.error());
  Broadcaster broadcaster(config->database.url);
  if (command.collection.empty()) {
    const auto sent = broadcaster.broadcast_all(command.json);
    return sent ? exit_fine : report(sent.error());
  }
  if (const auto sent = broadcaster.broadcast(command.collection, command.json); !sent) {
    return report(sent.error());
  }
  const auto rules = load_rules(config->rules, false);
  if (rules && (*rules)->collections.count(command.collection) == 0) {
    std::fprintf(stderr,
                 "pgtide: warning: no rule lists '%s': committed, but only subscribers of * "
                 "get it\n",
                 command.collection.c_str());
  }
  return exit_fine;
}

}  // namespace pgtide
