#include "cli/administration.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/bridge_address.hpp"
#include "cli/terminal.hpp"
#include "gateway/client.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

// What the server says, and what to do about it here.
Error refusal_in(const HttpAnswer& answer, const std::string& url) {
  const auto body = nlohmann::json::parse(answer.body, nullptr, false);
  const auto said = [&body](const char* key) {
    const auto pointer = nlohmann::json::json_pointer(std::string("/error/") + key);
    const bool there = body.is_object() && body.contains(pointer) && body[pointer].is_string();
    return there ? one_line(body[pointer].get<std::string>()) : std::string();
  };
  std::string message = said("message");
  if (message.empty()) message = "HTTP status " + std::to_string(answer.status);
  ErrorKind kind = ErrorKind::internal;
  if (answer.status == 401) {
    kind = ErrorKind::denied;
    message += "\ngive a token with --token or PGTIDE_TOKEN; `pgtide token` makes one";
  } else if (answer.status == 403) {
    kind = ErrorKind::denied;
    message += "\nwho that is, `all` in the rules file says";
  } else if (answer.status == 404) {
    kind = ErrorKind::not_found;
    if (said("code") != "unknown_connection") {
      message += "\nis this a bridge's address for operators (server.admin_listen)?";
    }
  }
  return {kind, message, url};
}

Error unreached(const Error& error, const std::string& url) {
  if (error.kind != ErrorKind::unavailable) return error;
  return {error.kind,
          error.message + "\nno bridge answers there; --url http://host:port names another", url};
}

}  // namespace

Administration::Administration(const Config& config, const BridgeAccess& access)
    : url_(access.url.empty() ? operator_url(config) : access.url), token_(access.token) {
  while (url_.ends_with('/')) url_.pop_back();
}

Result<std::string> Administration::request(const std::string& method,
                                            const std::string& target) const {
  const std::string url = url_ + target;
  auto answer = http_request(method, url, "", token_);
  if (!answer) return unreached(answer.error(), url);
  if (answer->status != 200) return refusal_in(*answer, url);
  return std::move(answer->body);
}

Result<nlohmann::json> Administration::ask(const std::string& method,
                                           const std::string& target) const {
  const auto answer = request(method, target);
  if (!answer) return answer.error();
  auto body = nlohmann::json::parse(*answer, nullptr, false);
  if (!body.is_object()) return Error{ErrorKind::internal, "not the answer of a bridge", url_};
  return body;
}

Result<std::string> Administration::metrics() const { return request("GET", "/metrics"); }

std::string percent_encoded(const std::string& text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    const unsigned byte = static_cast<unsigned char>(c);
    char code[4];
    std::snprintf(code, sizeof code, "%%%02X", byte);
    encoded += plain ? std::string(1, c) : code;
  }
  return encoded;
}

int report_refusal(const Error& error) {
  return error.kind == ErrorKind::invalid ? report_settings_fault(error) : report_failure(error);
}

}  // namespace pgtide
