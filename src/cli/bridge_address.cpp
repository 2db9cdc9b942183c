#include "cli/bridge_address.hpp"

namespace pgtide {
namespace {

std::string authority_of(std::string host, std::uint16_t port) {
  if (host == "0.0.0.0" || host.empty()) host = "127.0.0.1";
  if (host == "::") host = "::1";
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return host + ":" + std::to_string(port);
}

}  // namespace

std::string client_url(const Config& config) {
  return "ws://" + authority_of(config.server.host, config.server.port) + config.server.path;
}

std::string operator_url(const Config& config) {
  const auto& server = config.server;
  if (server.admin_host.empty()) return "http://" + authority_of(server.host, server.port);
  return "http://" + authority_of(server.admin_host, server.admin_port);
}

}  // namespace pgtide
