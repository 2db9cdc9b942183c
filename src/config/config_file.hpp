#pragma once
#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/rules_file.hpp"
#include "pgtide/config.hpp"

namespace pgtide {

// One setting as the command line and the environment know it.
struct ConfigKey {
  std::string path;         // "limits.event_bytes"
  std::string flag;         // "--limits.event-bytes"; empty: in the file only
  std::string environment;  // "PGTIDE_LIMITS_EVENT_BYTES"; empty: in the file only
  std::string sentence;     // what it is, with its unit: for --help
  std::string fallback;     // the default, as it is written in the file
};

// Every key of this version, in the order of config.yaml.
const std::vector<ConfigKey>& config_keys();

// Applies a YAML text over `config`; finds all faults at once: unknown keys (with the nearest known
// one), wrong types, missing units, values out of range, keys that are "not in this version".
// On a fault `config` is unchanged. Total over any bytes.
std::vector<FileFault> apply_yaml(std::string_view text, Config& config);

// A YAML text as far as it goes: the keys that are well are applied over `over` whatever is wrong
// with others, for those who want to tell all that is wrong; and where each known key's value
// stands.
struct ConfigFile {
  Config config{};
  std::vector<FileFault> faults{};
  std::map<std::string, SourcePlace> places{};  // by path: "limits.event_bytes"
};
ConfigFile read_config_file(std::string_view text, const Config& over);

// Applies one value from a flag or an environment variable, written as in the file, without quotes;
// lists also as "a, b". Values of database.url and auth.jwt.secret are never part of a message.
// ErrorKind::invalid names `path`.
Result<void> apply_value(Config& config, const std::string& path, const std::string& value);

// The present value of one key, as the file would have it. `path` must be one of config_keys().
std::string value_text(const Config& config, std::string_view path);

// What values that are fine one by one contradict each other, once file, environment and flags have
// been applied; empty: nothing.
std::vector<std::string> contradictions(const Config& config);

// "30s", "250 ms", "24h" (ms, s, m, h, d); a number without a unit is refused, and a fraction too.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

// The shortest text that parse_duration reads as `duration`, which is not negative.
std::string to_text(std::chrono::milliseconds duration);

}  // namespace pgtide
