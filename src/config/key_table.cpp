#include "config/key_table.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "config/auth_keys.hpp"
#include "config/key_kinds.hpp"
#include "model/wording.hpp"

// The one place that knows the keys of config.yaml. The file, the flags, the environment and the
// tables of docs/configuration.md come from here, or are held against it by a test.

namespace pgtide {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kib = 1'024;
constexpr std::size_t mib = 1'024 * kib;
constexpr std::size_t count_max = 1'000'000;

std::string endpoint_fault(const std::string& path) {
  static constexpr std::array<std::string_view, 6> taken{
      "/", "/healthz", "/readyz", "/metrics", "/realtime/broadcast", "/realtime/broadcast_all"};
  if (path.empty() || path.front() != '/' || path.find_first_of(" ?#%") != std::string::npos) {
    return "must be a path of a URL, such as /realtime/subscribe";
  }
  if (path.size() > 256) return "must be at most 256 bytes long";
  const bool held = std::find(taken.begin(), taken.end(), path) != taken.end();
  return held ? "must be another path; the operator's HTTP has this one" : "";
}

std::string origin_fault(const std::string& origin) {
  if (origin == "*" || origin == "null") return {};
  const std::size_t end = origin.find("://");
  const std::string scheme = lower_case(origin.substr(0, end));
  const bool needs_host = scheme == "http" || scheme == "https";
  const bool shaped = end != std::string::npos && !scheme.empty() &&
                      origin.find_first_of("/ ?#*", end + 3) == std::string::npos &&
                      (!needs_host || origin.size() > end + 3);
  return shaped ? ""
                : "must be \"*\", null or an origin, such as https://app.example.com or file://; "
                  "not " + quoted(origin);
}

// The shape only: what is no address all the same is found at the start.
std::string proxy_fault(const std::string& proxy) {
  const std::size_t slash = proxy.find('/');
  const std::string address = proxy.substr(0, slash);
  const std::string bits = slash == std::string::npos ? "0" : proxy.substr(slash + 1);
  const bool shaped = !bits.empty() && bits.size() <= 3 &&
                      bits.find_first_not_of("0123456789") == std::string::npos &&
                      address.find_first_of(".:") != std::string::npos &&
                      address.find_first_not_of("0123456789abcdefABCDEF.:") == std::string::npos;
  return shaped ? ""
                : "must be an address or a network, such as 10.0.0.0/8; not " + quoted(proxy);
}

std::string rules_fault(const std::string& path) {
  return path.empty() ? "must name a file, such as rules.yaml" : "";
}

std::string level_fault(const std::string& level) {
  static const std::vector<std::string> levels{"trace", "debug", "info", "warn", "error", "off"};
  if (std::find(levels.begin(), levels.end(), level) != levels.end()) return {};
  return "must be trace, debug, info, warn, error or off, not " + quoted(level) +
         did_you_mean(level, levels);
}

std::vector<KeyEntry> database_keys() {
  using WakeUp = Config::WakeUp;
  const ChoiceField wake_up{
      [](const Config& c) { return static_cast<int>(c.database.wake_up); },
      [](Config& c, int value) { c.database.wake_up = static_cast<WakeUp>(value); }};
  return {
      choice_key(
          {"database.wake_up",
           "How a commit wakes an idle bridge: notify, poll (where prepared transactions are "
           "used, which NOTIFY would fail), or auto, which asks the database."},
          wake_up,
          {{"auto", static_cast<int>(WakeUp::automatic)},
           {"notify", static_cast<int>(WakeUp::notify)},
           {"poll", static_cast<int>(WakeUp::poll)}}),
      text_key({"database.url",
                "The database, as a libpq URL or key=value string; empty: DATABASE_URL, else the "
                "PG* variables."},
               [](Config& c) -> std::string& { return c.database.url; }),
  };
}

// A rules file that was named must be there; the default one may be missing.
KeyEntry rules_key() {
  KeyEntry entry = text_key(
      {"rules",
       "The rules file, absolute or relative to this file; without it everything is denied."},
      [](Config& c) -> std::string& { return c.rules; }, rules_fault);
  entry.apply = [apply = std::move(entry.apply)](Config& config, const YamlNode& node) {
    auto refusal = apply(config, node);
    config.rules_named = config.rules_named || !refusal;
    return refusal;
  };
  return entry;
}

std::vector<KeyEntry> server_keys() {
  return {
      address_key(
          {"server.listen",
           "Where clients connect, host:port; port 0 takes a free one, which is printed."},
          [](Config& c) -> std::string& { return c.server.host; },
          [](Config& c) -> std::uint16_t& { return c.server.port; }),
      optional_address_key(
          {"server.admin_listen",
           "Where the operator's HTTP answers, and there only, host:port; empty: where clients "
           "connect."},
          [](Config& c) -> std::string& { return c.server.admin_host; },
          [](Config& c) -> std::uint16_t& { return c.server.admin_port; }),
      text_key({"server.port_file",
                "A file that host:port is written to once the server listens; empty: none."},
               [](Config& c) -> std::string& { return c.server.port_file; }),
      text_key(
          {"server.path", "The WebSocket endpoint's path."},
          [](Config& c) -> std::string& { return c.server.path; }, endpoint_fault),
      count_key({"server.threads", "Threads that serve clients; 0: one per core."},
                [](Config& c) -> unsigned& { return c.server.threads; }, {0U, 1'024U}),
      text_list_key(
          {"server.allowed_origins",
           "The web origins whose pages may connect, all of them, as scheme://host[:port], whose "
           "hosts are the only ones that Host may name; \"null\" and file://: pages without a "
           "site; empty: those of the same host; \"*\": any."},
          [](Config& c) -> std::vector<std::string>& { return c.server.allowed_origins; },
          origin_fault),
      text_list_key(
          {"server.trusted_proxies",
           "Addresses and networks of proxies whose X-Forwarded-For is believed."},
          [](Config& c) -> std::vector<std::string>& { return c.server.trusted_proxies; },
          proxy_fault),
      switch_key({"server.loopback_admin",
                  "Whether loopback has the operator's rights without a credential; turn it off "
                  "where a proxy or a port-forward on this machine lets others in."},
                 [](Config& c) -> bool& { return c.server.loopback_admin; }),
  };
}

std::vector<KeyEntry> rules_keys() {
  return {rules_key()};
}

std::vector<KeyEntry> rate_and_count_limits() {
  return {
      count_key({"limits.subscriptions_per_connection",
                 "Patterns that one connection may hold at a time."},
                [](Config& c) -> std::size_t& { return c.limits.subscriptions_per_connection; },
                {1, count_max}),
      rate_key({"limits.requests_per_second",
                "Messages per second of one connection, pings aside, with a burst of the same "
                "number; more are answered rate_limited. Patterns and filters in them take tokens "
                "at the same rate, with a larger burst, of the connection and of its address."},
               [](Config& c) -> double& { return c.limits.requests_per_second; }, {0.1, 1e6}),
      rate_key({"limits.frames_per_second",
                "Frames of any kind per second of one connection, a KiB in them counting as "
                "another; past it the server reads more slowly."},
               [](Config& c) -> double& { return c.limits.frames_per_second; }, {0.1, 1e6}),
      rate_key({"limits.http_requests_per_second",
                "HTTP requests per second of one connection, upgrades among them but not those of "
                "administrators or of a trusted proxy, with a burst of five seconds' worth; past "
                "it they are answered 429."},
               [](Config& c) -> double& { return c.limits.http_requests_per_second; },
               {0.1, 1e6}),
      rate_key({"limits.http_requests_per_second_per_address",
                "The same from one IPv4 address, or one /64 of IPv6, without upgrades; 0: no "
                "limit."},
               [](Config& c) -> double& { return c.limits.http_requests_per_second_per_address; },
               {0, 1e6}),
      rate_key({"limits.http_requests_per_second_in_all",
                "The same from all of them together; past it each address is answered once a "
                "second still, up to as much again; 0: no limit."},
               [](Config& c) -> double& { return c.limits.http_requests_per_second_in_all; },
               {0, 1e6}),
      count_key(
          {"limits.connections",
           "Connections at a time, and sockets before they are one; past it a newcomer whose "
           "address has few takes the place of one whose address has the most, and others are "
           "refused with HTTP 503."},
          [](Config& c) -> std::size_t& { return c.limits.connections; }, {1, count_max}),
      count_key({"limits.connections_per_address",
                 "The same from one IPv4 address, or one /64 of IPv6; 0: no limit."},
                [](Config& c) -> std::size_t& { return c.limits.connections_per_address; },
                {0, count_max}),
      rate_key({"limits.connections_per_second",
                "Sockets served per second; further ones wait, by turns of their addresses; 0: no "
                "limit."},
               [](Config& c) -> double& { return c.limits.connections_per_second; }, {0, 1e6}),
      rate_key({"limits.connections_per_second_per_address",
                "Of them, those from one IPv4 address, or one /64 of IPv6, with a burst of twenty "
                "seconds' worth; further ones are closed unread, and upgrades that come through a "
                "trusted proxy answered 429; 0: no limit."},
               [](Config& c) -> double& { return c.limits.connections_per_second_per_address; },
               {0, 1e6}),
  };
}

std::vector<KeyEntry> size_and_time_limits() {
  return {
      count_key({"limits.message_bytes",
                 "Bytes of one message from a client; a larger one closes the connection (1009)."},
                [](Config& c) -> std::size_t& { return c.limits.message_bytes; }, {kib, 64 * mib}),
      count_key({"limits.scanned_filters_per_collection",
                 "Clients' filters on one collection that no index narrows or that call matches(), "
                 "in each thread, at most half of them from one address; past it the error is "
                 "filter_limit."},
                [](Config& c) -> std::size_t& { return c.limits.scanned_filters_per_collection; },
                {0, 1'000'000}),
      count_key({"limits.filter_steps_per_event",
                 "Steps, of about 7 ns each, that the filters of one connection may take for one "
                 "event; the one that goes past it ends with filter_limit."},
                [](Config& c) -> std::uint64_t& { return c.limits.filter_steps_per_event; },
                {100, std::uint64_t{1} << 40}),
      count_key({"limits.filter_steps_per_second",
                 "Steps that all clients' filters may take in a second, in each thread; past it "
                 "those that took more than their share of it end with filter_limit."},
                [](Config& c) -> std::uint64_t& { return c.limits.filter_steps_per_second; },
                {100, std::uint64_t{1} << 40}),
      count_key({"limits.event_bytes",
                 "Bytes of one event's frame; of a larger one only the key is sent, with "
                 "\"truncated\":true."},
                [](Config& c) -> std::size_t& { return c.limits.event_bytes; }, {kib, 256 * mib}),
      count_key(
          {"limits.backlog_bytes",
           "Bytes that may wait for one slow reader; past it they are dropped, and the reader "
           "is told resync_required."},
          [](Config& c) -> std::size_t& { return c.limits.backlog_bytes; },
          {64 * kib, 1'024 * mib}),
      count_key({"limits.memory_bytes",
                 "Bytes that all clients together may make the server hold: what waits for them, "
                 "their subscriptions, requests and connections; past it the largest backlogs are "
                 "dropped, then new subscriptions refused, then new connections. 0: a quarter of "
                 "what the machine or its control group has."},
                [](Config& c) -> std::size_t& { return c.limits.memory_bytes; },
                {0, 1'048'576 * mib}),
      duration_key({"limits.handshake_timeout",
                    "How long a new connection may take to complete its WebSocket handshake, and "
                    "then to send auth where auth.required asks for it."},
                   [](Config& c) -> milliseconds& { return c.limits.handshake_timeout; },
                   {milliseconds{100}, hours{1}}),
  };
}

std::vector<KeyEntry> timing_keys() {
  return {
      duration_key({"heartbeat.interval", "The time between two pings to a client."},
                   [](Config& c) -> milliseconds& { return c.heartbeat.interval; },
                   {milliseconds{100}, hours{24}}),
      duration_key({"heartbeat.timeout",
                    "How long after a ping a sign of life may take before the connection is closed "
                    "(4408)."},
                   [](Config& c) -> milliseconds& { return c.heartbeat.timeout; },
                   {milliseconds{100}, hours{24}}),
      duration_key({"resume.retention",
                    "How long the log in the database keeps a change; under more than 72 ticks a "
                    "second around the clock less, 3.5 hours at the least."},
                   [](Config& c) -> milliseconds& { return c.resume.retention; },
                   {seconds{1}, hours{24 * 365}}),
      count_key(
          {"resume.log_bytes",
           "Bytes that the log in the database may take before its oldest part goes, whatever "
           "resume.retention says."},
          [](Config& c) -> std::uint64_t& { return c.resume.log_bytes; },
          {mib, std::size_t{1} << 50}),
      duration_key(
          {"ready.lag", "How far behind the database the bridge may be before /readyz says no."},
          [](Config& c) -> milliseconds& { return c.ready.lag; }, {milliseconds{100}, hours{24}}),
  };
}

std::vector<KeyEntry> log_keys() {
  using Format = Config::LogFormat;
  const ChoiceField format{[](const Config& c) { return static_cast<int>(c.log.format); },
                           [](Config& c, int value) { c.log.format = static_cast<Format>(value); }};
  return {
      text_key(
          {"log.level", "What is logged at the least: trace, debug, info, warn, error or off."},
          [](Config& c) -> std::string& { return c.log.level; }, level_fault),
      choice_key(
          {"log.format", "How a log line is written: text or json."}, format,
          {{"text", static_cast<int>(Format::text)}, {"json", static_cast<int>(Format::json)}}),
  };
}

std::vector<KeyEntry> make_table() {
  std::vector<KeyEntry> table;
  for (auto make : {database_keys, server_keys, auth_keys, rules_keys, rate_and_count_limits,
                    size_and_time_limits, timing_keys, log_keys}) {
    std::vector<KeyEntry> part = make();
    std::move(part.begin(), part.end(), std::back_inserter(table));
  }
  return table;
}

}  // namespace

const std::vector<KeyEntry>& key_table() {
  static const std::vector<KeyEntry> table = make_table();
  return table;
}

const KeyEntry* find_key(std::string_view path) {
  for (const KeyEntry& entry : key_table()) {
    if (entry.key.path == path) return &entry;
  }
  return nullptr;
}

}  // namespace pgtide
