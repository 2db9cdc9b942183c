#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/bridge_address.hpp"
#include "cli/commands.hpp"
#include "cli/terminal.hpp"
#include "gateway/client.hpp"

// `connections` and `kick`: an administrator's HTTP, for the terminal. One bridge is asked; a page
// of its list is printed as it comes.
namespace pgtide {
namespace {


constexpr const char* page_query = "limit=1000";
constexpr std::size_t patterns_shown = 4;

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

// What the server says, and what to do about it here.
Error refusal_in(const HttpAnswer& answer, const std::string& url) {
  const auto body = nlohmann::json::parse(answer.body, nullptr, false);
  const auto said = [&body](const char* key) {
    const auto pointer = nlohmann::json::json_pointer(std::string("/error/") + key);
    const bool there = body.is_object() && body.contains(pointer) && body[pointer].is_string();
    return there ? harmless(body[pointer].get<std::string>()) : std::string();
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

// The bridge's HTTP, with the caller's credential.
class Administration {
 public:
  Administration(const Config& config, const BridgeAccess& access)
      : url_(access.url.empty() ? operator_url(config) : access.url), token_(access.token) {
    while (url_.ends_with('/')) url_.pop_back();
    url_ += "/realtime/connections";
  }

  // `rest` goes behind the path.
  Result<nlohmann::json> ask(const std::string& method, const std::string& rest) const {
    const auto answer = http_request(method, url_ + rest, "", token_);
    if (!answer) return unreached(answer.error());
    if (answer->status != 200) return refusal_in(*answer, url_);
    auto body = nlohmann::json::parse(answer->body, nullptr, false);
    if (!body.is_object()) return Error{ErrorKind::internal, "not the answer of a bridge", url_};
    return body;
  }

 private:
  Error unreached(const Error& error) const {
    if (error.kind != ErrorKind::unavailable) return error;
    return {error.kind,
            error.message + "\nno bridge answers there; --url http://host:port names another",
            url_};
  }

  std::string url_;
  std::string token_;
};

int report_refusal(const Error& error) {
  return error.kind == ErrorKind::invalid ? report_settings_fault(error) : report_failure(error);
}

std::string bytes_text(std::uint64_t bytes) {
  if (bytes < 1'024) return std::to_string(bytes) + " B";
  if (bytes < 1'048'576) return std::to_string(bytes / 1'024) + " KiB";
  return std::to_string(bytes / 1'048'576) + " MiB";
}

std::string user_text(const nlohmann::json& user) {
  if (!user.is_object()) return "(anonymous)";
  std::string text = harmless(user.value("id", ""));
  std::string roles;
  for (const nlohmann::json& role : user.value("roles", nlohmann::json::array())) {
    roles += (roles.empty() ? "" : ", ") + harmless(role.get<std::string>());
  }
  return roles.empty() ? text : text + " (" + roles + ")";
}

std::string subscriptions_text(const nlohmann::json& subscriptions) {
  std::string text;
  for (std::size_t i = 0; i < std::min(subscriptions.size(), patterns_shown); ++i) {
    text += (i == 0 ? "" : ", ") + harmless(subscriptions[i].value("pattern", ""));
    const std::string filter = subscriptions[i].value("filter", "");
    if (!filter.empty()) text += " [" + harmless(filter) + "]";
  }
  if (subscriptions.size() <= patterns_shown) return text.empty() ? "(none)" : text;
  return text + " and " + std::to_string(subscriptions.size() - patterns_shown) + " more";
}

using Cells = std::vector<std::string>;

Cells cells_of(const nlohmann::json& connection) {
  return {connection.value("id", ""),
          user_text(connection.value("user", nlohmann::json())),
          harmless(connection.value("remote_address", "")),
          connection.value("connected_at", ""),
          std::to_string(connection.value("events_sent", std::uint64_t{0})),
          bytes_text(connection.value("backlog_bytes", std::uint64_t{0})),
          subscriptions_text(connection.value("subscriptions", nlohmann::json::array()))};
}

std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;  // the first byte of a character
  }));
}

void print_table(const std::vector<Cells>& lines) {
  std::vector<std::size_t> widths(lines.front().size());
  for (const Cells& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      widths[i] = std::max(widths[i], width_of(line[i]));
    }
  }
  for (const Cells& line : lines) {
    std::string text;
    for (std::size_t i = 0; i + 1 < line.size(); ++i) {
      text += line[i] + std::string(widths[i] - width_of(line[i]) + 2, ' ');
    }
    text += line.back();
    const auto colour = &line == &lines.front() ? Colour::dim : Colour::none;
    std::printf("%s\n", coloured(colour, text).c_str());
  }
}

void print_connections(const nlohmann::json& connections, bool as_json) {
  std::vector<Cells> lines{
      {"ID", "USER", "ADDRESS", "CONNECTED", "EVENTS", "BACKLOG", "SUBSCRIPTIONS"}};
  for (const nlohmann::json& connection : connections) {
    if (as_json) {
      constexpr auto on_bad_bytes = nlohmann::json::error_handler_t::replace;
      std::printf("%s\n", connection.dump(-1, ' ', false, on_bad_bytes).c_str());
    } else {
      lines.push_back(cells_of(connection));
    }
  }
  if (lines.size() > 1) print_table(lines);
}

}  // namespace

int connections_command(const SettingSources& sources, const ConnectionsCommand& command) {
  const auto config = load_settings(sources);
  if (!config) return report_settings_fault(config.error());
  const Administration bridge(*config, command.bridge);
  const std::string filter =
      std::string("?") + page_query +
      (command.user.empty() ? "" : "&user=" + percent_encoded(command.user));
  std::string after;
  std::size_t printed = 0;
  do {
    const auto page = bridge.ask("GET", filter + (after.empty() ? "" : "&after=" + after));
    if (!page) return report_refusal(page.error());
    const nlohmann::json connections = page->value("connections", nlohmann::json::array());
    print_connections(connections, command.json);
    printed += connections.size();
    const nlohmann::json next = page->value("next", nlohmann::json());
    after = next.is_string() ? next.get<std::string>() : "";
  } while (!after.empty());
  if (printed == 0 && !command.json) std::printf("no connections\n");
  return exit_fine;
}

int kick_command(const SettingSources& sources, const KickCommand& command) {
  if (command.id.empty() == command.user.empty()) {
    return report_settings_fault({ErrorKind::invalid, "write: pgtide kick ID, or --user ID"});
  }
  const auto config = load_settings(sources);
  if (!config) return report_settings_fault(config.error());
  const Administration bridge(*config, command.bridge);
  const auto done = command.id.empty()
                        ? bridge.ask("DELETE", "?user=" + percent_encoded(command.user))
                        : bridge.ask("DELETE", "/" + percent_encoded(command.id));
  if (!done) return report_refusal(done.error());
  const auto closed = done->value("closed", std::size_t{0});
  std::printf("closed %zu connection%s\n", closed, closed == 1 ? "" : "s");
  return exit_fine;
}

}  // namespace pgtide
