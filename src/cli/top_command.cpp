#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/administration.hpp"
#include "cli/commands.hpp"
#include "cli/terminal.hpp"
#include "cli/top_screen.hpp"

// `top`: looks at a bridge again and again, and shows what happened in between. A bridge that does
// not answer for a while is waited for; one that refuses is not.
namespace pgtide {
namespace {

constexpr const char* slowest_clients = "/realtime/connections?order=backlog&limit=10";
// Home, and clear what was below.
constexpr const char* begin_screen = "\x1b[H\x1b[J";

Result<TopSample> look(const Administration& bridge) {
  const auto page = bridge.metrics();
  if (!page) return page.error();
  return TopSample{MetricsPage::parse(*page), std::chrono::steady_clock::now()};
}

Result<std::string> screen(const Administration& bridge, TopSample& before) {
  auto now = look(bridge);
  if (!now) return now.error();
  const auto slowest = bridge.ask("GET", slowest_clients);
  if (!slowest) return slowest.error();
  std::string text = make_top_screen(bridge.url(), before, *now,
                                     slowest->value("connections", nlohmann::json::array()));
  before = std::move(*now);
  return text;
}

void show(const std::string& text) {
  const bool refreshes = isatty(STDOUT_FILENO) == 1;
  std::printf("%s%s\n", refreshes ? begin_screen : "", text.c_str());
  std::fflush(stdout);
}

}  // namespace

int top_command(const SettingSources& sources, const TopCommand& command) {
  const auto config = load_settings(sources);
  if (!config) return report_settings_fault(config.error());
  const Administration bridge(*config, command.bridge);
  auto before = look(bridge);
  if (!before) return report_refusal(before.error());
  for (;;) {
    std::this_thread::sleep_for(command.interval);
    const auto text = screen(bridge, *before);
    const bool may_come_back = !text && text.error().kind == ErrorKind::unavailable;
    if (!text && (command.once || !may_come_back)) return report_refusal(text.error());
    show(text ? *text : "no answer: " + text.error().to_string());
    if (command.once) return exit_fine;
  }
}

}  // namespace pgtide
