#include "cli/bridge_settings.hpp"

#include <unistd.h>

#include <filesystem>

#include "auth/authenticator.hpp"
#include "cli/bound_rules.hpp"
#include "gateway/acceptor.hpp"
#include "gateway/trusted_proxies.hpp"

namespace pgtide {
namespace {

std::string fault_of_listener(const std::string& key, const std::string& host) {
  if (host.empty() || is_listening_address(host)) return {};
  return key + ": " + host + " is not an address: write an IP address or localhost, and a port";
}

// The file is written under another name first, so its folder has to take one.
std::string fault_of_port_file(const std::string& path) {
  if (path.empty()) return {};
  const auto folder = std::filesystem::path(path).parent_path();
  const std::string where = folder.empty() ? "." : folder.string();
  if (::access(where.c_str(), W_OK | X_OK) == 0) return {};
  return "server.port_file: " + path + ": its folder is missing, or may not be written to";
}

// Has a fault of the file been told about this key or section? Then its value is only a default.
bool is_faulty(const Settings& settings, const std::string& key) {
  for (const std::string& fault : settings.faults) {
    if (fault.find(key) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> find_bridge_faults(const Settings& settings) {
  const Config& config = settings.config;
  std::vector<std::string> lines;
  if (!is_faulty(settings, "auth.")) {
    if (const auto keys = Authenticator::make(config.auth); !keys) {
      add_lines(lines, keys.error().to_string());
    }
  }
  const auto proxies = TrustedProxies::parse(config.server.trusted_proxies);
  if (!proxies) add_lines(lines, proxies.error().to_string());
  add_lines(lines, fault_of_listener("server.listen", config.server.host));
  add_lines(lines, fault_of_listener("server.admin_listen", config.server.admin_host));
  add_lines(lines, fault_of_port_file(config.server.port_file));
  for (std::string& line : lines) line = settings.placed(line);
  return lines;
}

}  // namespace pgtide
