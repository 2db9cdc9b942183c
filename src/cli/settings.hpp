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
// gives a database. The paths of rules and keys come out ready to open.
struct Settings {
  Config config{};                    // of all that is well
  std::vector<std::string> faults{};  // of file, environment and flags, all of them, each with
                                      // where it stands: "config.yaml:3:5: ..."
  std::vector<std::string> warnings{};  // a file with a secret that everybody here may read
  std::map<std::string, std::string> origins{};  // by key path: where its value stands
  bool readable = true;  // false: the file is missing or cannot be read, nothing more is known

  // A fault that begins with a key's path, with where that key's value stands before it.
  std::string placed(const std::string& fault) const;
};
Settings read_settings(const SettingSources& sources);

// The same for who cannot go on with faults: ErrorKind::invalid, a line for each.
Result<Config> load_settings(const SettingSources& sources,
                             std::vector<std::string>* warnings = nullptr);

// spdlog's default logger as `log` wants it, on standard error: text for people, or JSON lines.
void set_up_logging(const Config::Log& log);

}  // namespace pgtide
