#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pgtide/config.hpp"
#include "pgtide/result.hpp"

namespace pgtide {

// What the command line says of the configuration.
struct SettingSources {
  std::optional<std::string> config_file{};   // --config; else PGTIDE_CONFIG; else ./config.yaml
  std::map<std::string, std::string> flags{};  // by key path: "limits.event_bytes"
};

// Defaults, then the file, then the environment, then the flags; DATABASE_URL where none of them
// gives a database. The paths of rules and keys come out ready to open. Errors: invalid with all
// faults of the file, a line each; not_found for a --config that is not there.
// `warnings` gets what is no fault and yet should be known: a file with a secret that everybody on
// the machine may read.
Result<Config> load_settings(const SettingSources& sources,
                             std::vector<std::string>* warnings = nullptr);

// spdlog's default logger as `log` wants it, on standard error: text for people, or JSON lines.
void set_up_logging(const Config::Log& log);

}  // namespace pgtide
