#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/administration.hpp"
#include "cli/commands.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "model/wording.hpp"

// `connections` and `kick`: an administrator's HTTP, for the terminal. One bridge is asked; a page
// of its list is printed as it comes.
namespace pgtide {
namespace {

const std::string connections_path = "/realtime/connections";
constexpr const char* page_query = "limit=1000";

Cells cells_of(const nlohmann::json& connection) {
  return {connection.value("id", ""),
          user_cell(connection.value("user", nlohmann::json())),
          one_line(connection.value("remote_address", "")),
          connection.value("connected_at", ""),
          std::to_string(connection.value("events_sent", std::uint64_t{0})),
          bytes_text(connection.value("backlog_bytes", std::uint64_t{0})),
          subscriptions_cell(connection.value("subscriptions", nlohmann::json::array()))};
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
  if (lines.size() > 1) std::printf("%s", make_table(lines).c_str());
}

}  // namespace

int connections_command(const SettingSources& sources, const ConnectionsCommand& command) {
  const auto config = load_settings(sources);
  if (!config) return report_settings_fault(config.error());
  const Administration bridge(*config, command.bridge);
  const std::string first_page =
      connections_path + "?" + page_query +
      (command.user.empty() ? "" : "&user=" + percent_encoded(command.user));
  std::string after;
  std::size_t printed = 0;
  do {
    const auto page = bridge.ask("GET", first_page + (after.empty() ? "" : "&after=" + after));
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
  const std::string whom = command.id.empty() ? "?user=" + percent_encoded(command.user)
                                              : "/" + percent_encoded(command.id);
  const auto done = bridge.ask("DELETE", connections_path + whom);
  if (!done) return report_refusal(done.error());
  const auto closed = done->value("closed", std::size_t{0});
  std::printf("closed %zu connection%s\n", closed, closed == 1 ? "" : "s");
  return exit_fine;
}

}  // namespace pgtide
