#pragma once
#include <map>
#include <optional>
#include <string>

#include "pgtide/config.hpp"
#include "pgtide/result.hpp"

namespace pgtide {

// What the command line says of the configuration.
struct SettingSources {
  std::optional<std::string> config_file{};   // --config; else PGTIDE_CONFIG; else ./config.yaml
  std::map<std::string, std::string> flags{};  // by key path: "limits.event_bytes"
};

// Defaults, then the file, then the environment, then the flags; DATABASE_URL where none of them
// gives a database. The rules' path comes out ready to open. Errors: invalid with all faults of the
// file, a line each; not_found for a --config that is not there.
Result<Config> load_settings(const SettingSources& sources);

// spdlog's default logger as `log` wants it, on standard error: text for people, or JSON lines.
void set_up_logging(const Config::Log& log);

}  // namespace pgtide
