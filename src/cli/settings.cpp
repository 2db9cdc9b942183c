#include "cli/settings.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/log_formatter.hpp"
#include "config/config_file.hpp"

namespace pgtide {
namespace {

constexpr const char* usual_file = "config.yaml";

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

Result<void> apply_file(const std::string& path, Config& config) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file || file.bad()) {
    return Error{ErrorKind::denied, std::string("cannot be read: ") + std::strerror(errno), path};
  }
  const std::vector<FileFault> faults = apply_yaml(text.str(), config);
  if (!faults.empty()) return Error{ErrorKind::invalid, to_string(path, faults)};
  return {};
}

Result<void> apply_environment(Config& config) {
  for (const ConfigKey& key : config_keys()) {
    const auto value = key.environment.empty() ? std::nullopt : from_environment(key.environment);
    if (!value) continue;
    if (auto applied = apply_value(config, key.path, *value); !applied) {
      return Error{applied.error().kind, applied.error().message, key.environment};
    }
  }
  return {};
}

Result<void> apply_flags(const std::map<std::string, std::string>& flags, Config& config) {
  for (const auto& [path, value] : flags) {
    if (auto applied = apply_value(config, path, value); !applied) return applied;
  }
  return {};
}

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

// `of_file`: what the configuration file alone says.
std::vector<std::string> find_open_secrets(const std::string& config_file, const Config& of_file,
                                           const Config& config) {
  std::vector<std::string> warnings;
  const bool holds_secret = !of_file.auth.jwt.secret.empty();
  if (holds_secret && all_may_read(config_file)) {
    warnings.push_back(config_file + ": everybody on this machine may read auth.jwt.secret in it; "
                                     "run: chmod o-r " + config_file);
  }
  const std::string& secret_file = config.auth.jwt.secret_file;
  if (all_may_read(secret_file)) {
    warnings.push_back(secret_file + ": everybody on this machine may read this secret; run: "
                                     "chmod o-r " + secret_file);
  }
  return warnings;
}

Result<void> refuse_contradictions(const Config& config) {
  std::string all;
  for (const std::string& each : contradictions(config)) all += (all.empty() ? "" : "\n") + each;
  if (!all.empty()) return Error{ErrorKind::invalid, all};
  return {};
}

}  // namespace

Result<Config> load_settings(const SettingSources& sources, std::vector<std::string>* warnings) {
  Config config;
  const auto file = choose_file(sources);
  if (!file) return file.error();
  if (!file->empty()) {
    if (auto applied = apply_file(*file, config); !applied) return applied.error();
  }
  const Config of_file = config;
  if (auto applied = apply_environment(config); !applied) return applied.error();
  if (auto applied = apply_flags(sources.flags, config); !applied) return applied.error();
  if (auto consistent = refuse_contradictions(config); !consistent) return consistent.error();
  settle_paths(*file, config);
  if (warnings != nullptr) *warnings = find_open_secrets(*file, of_file, config);
  if (config.database.url.empty()) {
    config.database.url = from_environment("DATABASE_URL").value_or("");
  }
  return config;
}

void set_up_logging(const Config::Log& log) {
  auto logger = spdlog::stderr_color_mt("pgtide");
  logger->set_level(spdlog::level::from_str(log.level));
  logger->set_formatter(make_log_formatter(log.format));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace pgtide
