#include "cli/top_screen.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

constexpr std::size_t collections_shown = 8;

std::string number_text(double value) {
  char text[32];
  const bool small = value < 10 && value != std::floor(value);
  std::snprintf(text, sizeof text, small ? "%.1f" : "%.0f", value);
  return text;
}

std::string time_text(std::optional<double> seconds) {
  if (!seconds) return "-";
  char text[32];
  if (*seconds < 1e-3) {
    std::snprintf(text, sizeof text, "%.0f us", *seconds * 1e6);
  } else if (*seconds < 1) {
    std::snprintf(text, sizeof text, "%.1f ms", *seconds * 1e3);
  } else {
    std::snprintf(text, sizeof text, "%.1f s", *seconds);
  }
  return text;
}

// What the screen asks of two looks.
class Interval {
 public:
  Interval(const TopSample& before, const TopSample& now)
      : before_(before.metrics),
        now_(now.metrics),
        seconds_(std::max(std::chrono::duration<double>(now.taken_at - before.taken_at).count(),
                          1e-3)) {}

  double now(const std::string& name) const { return now_.value(name); }
  std::string count(const std::string& name) const { return number_text(now(name)); }
  std::string bytes(const std::string& name) const {
    return bytes_text(static_cast<std::uint64_t>(now(name)));
  }
  double rate(const std::string& name) const { return growth(before_, now_, name) / seconds_; }
  std::string per_second(const std::string& name) const {
    return number_text(rate(name)) + "/s";
  }
  std::string bytes_per_second(const std::string& name) const {
    return bytes_text(static_cast<std::uint64_t>(rate(name))) + "/s";
  }
  std::string share(const std::string& histogram, double q) const {
    return time_text(quantile(before_, now_, histogram, q));
  }
  // By their rates, the highest first; those at rest are left out.
  std::vector<std::pair<double, std::string>> busiest(const std::string& name) const {
    std::vector<std::pair<double, std::string>> rates;
    const auto& earlier = before_.labelled(name);
    for (const auto& [label, count] : now_.labelled(name)) {
      const auto found = earlier.find(label);
      const double from = found == earlier.end() || found->second > count ? 0 : found->second;
      if (count > from) rates.emplace_back((count - from) / seconds_, label);
    }
    std::sort(rates.rbegin(), rates.rend());
    return rates;
  }

 private:
  const MetricsPage& before_;
  const MetricsPage& now_;
  const double seconds_;
};

std::string database_line(const Interval& in) {
  const bool connected = in.now("pgtide_database_connected") == 1;
  const double lag = in.now("pgtide_lag_seconds");
  return coloured(connected ? Colour::green : Colour::red, connected ? "connected" : "AWAY") +
         (in.now("pgtide_leader") == 1 ? ", leads" : ", follows") + "; lag " +
         (lag > 0 ? time_text(lag) : "none") + "; " + number_text(in.rate("pgtide_ticks_total")) +
         " ticks/s; log " + in.bytes("pgtide_log_bytes");
}

std::string problems_line(const Interval& in) {
  const double problems = in.now("pgtide_problems");
  if (problems == 0) return {};
  return "  problems   " +
         coloured(Colour::red, number_text(problems) + ": pgtide status says which") + "\n";
}

std::string errors_text(const Interval& in) {
  std::string text;
  for (const auto& [rate, code] : in.busiest("pgtide_errors_total")) {
    text += (text.empty() ? "" : ", ") + code + " " + number_text(rate) + "/s";
  }
  return text.empty() ? "none" : text;
}

std::string summary(const Interval& in) {
  return "  database   " + database_line(in) + "\n" + problems_line(in) +
         "  clients    " + in.count("pgtide_connections") + " connections (+" +
         in.per_second("pgtide_connections_opened_total") + ", -" +
         in.per_second("pgtide_connections_closed_total") + "), " +
         in.count("pgtide_subscriptions") + " subscriptions; " +
         in.bytes("pgtide_backlog_bytes") + " wait for slow ones\n" +
         "  events     " + in.per_second("pgtide_events_total") + ", delivered " +
         in.per_second("pgtide_deliveries_total") + "; out " +
         in.bytes_per_second("pgtide_sent_bytes_total") + ", in " +
         in.bytes_per_second("pgtide_received_bytes_total") + "; dropped " +
         in.per_second("pgtide_events_dropped_total") + "\n" +
         "  latency    p50 " + in.share("pgtide_event_latency_seconds", 0.5) + ", p99 " +
         in.share("pgtide_event_latency_seconds", 0.99) + "; of a batch p99: match " +
         in.share("pgtide_match_seconds", 0.99) + ", encode " +
         in.share("pgtide_encode_seconds", 0.99) + ", send " +
         in.share("pgtide_send_seconds", 0.99) + "\n" +
         "  refused    handshakes " + in.per_second("pgtide_handshakes_refused_total") +
         "; requests: " + errors_text(in) + "\n" +
         "  process    CPU " + number_text(in.rate("process_cpu_seconds_total") * 100) +
         " %; memory " + in.bytes("process_resident_memory_bytes") + "; files " +
         in.count("process_open_fds") + " of " + in.count("process_max_fds") + "\n";
}

std::string collections_table(const Interval& in) {
  const auto busiest = in.busiest("pgtide_collection_events_total");
  if (busiest.empty()) return {};
  std::vector<Cells> lines{{"COLLECTION", "EVENTS/S"}};
  for (std::size_t i = 0; i < std::min(busiest.size(), collections_shown); ++i) {
    lines.push_back({one_line(busiest[i].second), number_text(busiest[i].first)});
  }
  return "\n" + make_table(lines);
}

std::string clients_table(const nlohmann::json& slowest) {
  std::vector<Cells> lines{{"SLOWEST CLIENTS", "USER", "ADDRESS", "BACKLOG", "EVENTS",
                            "SUBSCRIPTIONS"}};
  for (const nlohmann::json& client : slowest) {
    lines.push_back({one_line(client.value("id", "")),
                     user_cell(client.value("user", nlohmann::json())),
                     one_line(client.value("remote_address", "")),
                     bytes_text(client.value("backlog_bytes", std::uint64_t{0})),
                     std::to_string(client.value("events_sent", std::uint64_t{0})),
                     subscriptions_cell(client.value("subscriptions", nlohmann::json::array()))});
  }
  return lines.size() == 1 ? std::string() : "\n" + make_table(lines);
}

}  // namespace

std::string make_top_screen(const std::string& url, const TopSample& before, const TopSample& now,
                            const nlohmann::json& slowest) {
  const Interval in(before, now);
  return coloured(Colour::bold, "pgtide top") + "  " + one_line(url) + "\n\n" + summary(in) +
         collections_table(in) + clients_table(slowest);
}

}  // namespace pgtide
