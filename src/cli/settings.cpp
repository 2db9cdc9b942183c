#include "cli/settings.hpp"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "bridge/text_file.hpp"
#include "cli/log_formatter.hpp"
#include "cli/log_sink.hpp"
#include "config/config_file.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

constexpr const char* usual_file = "config.yaml";
const std::string url_password = "the password of database.url";

std::optional<std::string> from_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

// The file to read, if any: one that is named must be there, the usual one may be missing.
Result<std::string> choose_file(const SettingSources& sources) {
  auto named = sources.config_file;
  if (!named) named = from_environment("PGTIDE_CONFIG");
  std::error_code ignored;
  if (!named) return std::string(std::filesystem::exists(usual_file, ignored) ? usual_file : "");
  if (!std::filesystem::exists(*named, ignored)) {
    return Error{ErrorKind::not_found, "there is no such configuration file", *named};
  }
  return *named;
}

// Reads file, environment and flags over each other, and notes what is wrong and where each value
// comes from.
class SettingsReader {
 public:
  explicit SettingsReader(Settings& settings) : settings_(settings) {}

  void read_file(const std::string& path) {
    const auto text = read_text_file(path);
    if (!text) {
      settings_.readable = false;
      return settings_.faults.push_back(text.error().to_string());
    }
    ConfigFile read = read_config_file(*text, settings_.config);
    settings_.config = std::move(read.config);
    for (const FileFault& each : read.faults) settings_.faults.push_back(to_string(path, {each}));
    for (const auto& [key, place] : read.places) {
      settings_.origins[key] =
          path + ":" + std::to_string(place.line) + ":" + std::to_string(place.column);
    }
  }

  void read_environment() {
    for (const ConfigKey& key : config_keys()) {
      if (key.environment.empty()) continue;
      if (const auto value = from_environment(key.environment)) {
        apply(key.path, *value, key.environment);
      }
    }
  }

  void read_flags(const std::map<std::string, std::string>& flags) {
    for (const ConfigKey& key : config_keys()) {
      if (const auto found = flags.find(key.path); found != flags.end()) {
        apply(key.path, found->second, key.flag);
      }
    }
  }

 private:
  void apply(const std::string& path, const std::string& value, const std::string& origin) {
    settings_.origins[path] = origin;
    if (const auto applied = apply_value(settings_.config, path, value); !applied) {
      fault(origin, applied.error().message);
    }
  }
  void fault(const std::string& origin, const std::string& message) {
    settings_.faults.push_back(origin + ": " + message);
  }

  Settings& settings_;
};

// A relative path counts from the configuration file's folder.
void settle_paths(const std::string& config_file, Config& config) {
  const auto folder = std::filesystem::path(config_file).parent_path();
  Config::Jwt& jwt = config.auth.jwt;
  for (std::string* path :
       {&config.rules, &jwt.secret_file, &jwt.public_key_file, &jwt.jwks_file}) {
    if (!path->empty()) *path = (folder / *path).lexically_normal().string();
  }
}

bool all_may_read(const std::string& path) {
  struct stat found {};
  return !path.empty() && ::stat(path.c_str(), &found) == 0 && (found.st_mode & S_IROTH) != 0;
}

// In libpq's two ways of writing it: "password=..." and "scheme://user:password@host".
bool has_password(const std::string& database_url) {
  if (database_url.find("password") != std::string::npos) return true;
  const std::size_t user = database_url.find("://");
  const std::size_t at = database_url.find('@');
  if (user == std::string::npos || at == std::string::npos) return false;
  return database_url.find(':', user + 3) < at;
}

// `of_file`: what the configuration file alone says.
std::vector<std::string> find_open_secrets(const std::string& config_file, const Config& of_file,
                                           const Config& config) {
  std::vector<std::string> warnings;
  std::string held;
  if (!of_file.auth.jwt.secret.empty()) held = "auth.jwt.secret";
  if (has_password(of_file.database.url)) held += (held.empty() ? "" : " and ") + url_password;
  if (!held.empty() && all_may_read(config_file)) {
    warnings.push_back(config_file + ": everybody on this machine may read " + held +
                       " in it; run: chmod o-r " + shell_word(config_file));
  }
  const std::string& secret_file = config.auth.jwt.secret_file;
  if (all_may_read(secret_file)) {
    warnings.push_back(secret_file + ": everybody on this machine may read this secret; run: "
                                     "chmod o-r " + shell_word(secret_file));
  }
  return warnings;
}

}  // namespace

std::string Settings::placed(const std::string& fault) const {
  const std::size_t end = fault.find_first_not_of("abcdefghijklmnopqrstuvwxyz_.");
  const auto origin = origins.find(fault.substr(0, end));
  return origin == origins.end() ? fault : origin->second + ": " + fault;
}

Settings read_settings(const SettingSources& sources) {
  Settings settings;
  const auto file = choose_file(sources);
  if (!file) {
    settings.readable = false;
    settings.faults.push_back(file.error().to_string());
    return settings;
  }
  SettingsReader reader(settings);
  if (!file->empty()) reader.read_file(*file);
  const Config of_file = settings.config;
  reader.read_environment();
  reader.read_flags(sources.flags);
  Config& config = settings.config;
  for (const std::string& each : contradictions(config)) {
    settings.faults.push_back(settings.placed(each));
  }
  settle_paths(*file, config);
  settings.warnings = find_open_secrets(*file, of_file, config);
  if (config.database.url.empty()) {
    config.database.url = from_environment("DATABASE_URL").value_or("");
  }
  return settings;
}

Result<Config> load_settings(const SettingSources& sources, std::vector<std::string>* warnings) {
  Settings settings = read_settings(sources);
  std::string faults;
  for (const std::string& each : settings.faults) faults += (faults.empty() ? "" : "\n") + each;
  if (!faults.empty()) return Error{ErrorKind::invalid, faults};
  if (warnings != nullptr) *warnings = std::move(settings.warnings);
  return std::move(settings.config);
}

void set_up_logging(const Config::Log& log) {
  auto logger = std::make_shared<spdlog::logger>("pgtide", make_log_sink());
  logger->set_level(spdlog::level::from_str(log.level));
  logger->set_formatter(make_log_formatter(log.format));
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace pgtide
