#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace pgtide {

// Every setting, with its default. config.yaml is the reference: it has the same keys in the same
// order, each with its unit and a sentence (PROTOCOL 7).
struct Config {
  enum class WakeUp { automatic, notify, poll };
  enum class LogFormat { text, json };

  struct Database {
    WakeUp wake_up = WakeUp::automatic;
    std::string url{};  // libpq URL or key=value; empty: DATABASE_URL, else PG* variables
  } database{};

  struct Server {
    std::string host = "127.0.0.1";
    std::uint16_t port = 8080;  // 0: a free one
    std::string port_file{};    // "host:port" is written here once listening; empty: nowhere
    std::string path = "/realtime/subscribe";
    unsigned threads = 0;       // shards; 0: one per core
    std::vector<std::string> allowed_origins{};
    std::vector<std::string> trusted_proxies{};  // addresses and networks ("10.0.0.0/8")
    std::string admin_host{};                    // of the operator's own listener; empty: none
    std::uint16_t admin_port = 0;
    bool loopback_admin = true;  // who comes from loopback, and not through a proxy, is told all
  } server{};

  struct ApiKey {
    std::string name{};    // the principal's id, which is then no token's
    std::string sha256{};  // of the key's bytes, 64 hexadecimal digits
    std::vector<std::string> roles{};
    friend bool operator==(const ApiKey&, const ApiKey&) = default;
  };
  struct Jwt {
    std::vector<std::string> algorithms{"HS256"};
    // The keys; without any of them no token is known. Files are re-read when they change.
    std::string secret{};           // of HS*, its bytes as they are
    std::string secret_file{};      // the same, without the line's end
    std::string public_key_file{};  // PEM
    std::string jwks_file{};        // a JSON Web Key Set (RFC 7517)
    std::string issuer{};           // empty: not checked
    std::string audience{};         // empty: not checked
    std::string typ{};              // of its header, "at+jwt"; empty: not checked
    bool require_expiry = true;
    std::string id_claim = "sub";
    std::string roles_claim = "roles";  // a dotted path
    std::chrono::milliseconds leeway{30'000};
  };
  struct Auth {
    bool required = false;
    bool query_token = false;
    Jwt jwt{};
    std::vector<ApiKey> api_keys{};
  } auth{};

  std::string rules = "rules.yaml";  // absolute, or relative to the configuration file
  bool rules_named = false;          // it was set: then a missing file is an error

  struct Limits {
    std::size_t subscriptions_per_connection = 100;
    double requests_per_second = 10;
    double frames_per_second = 50;
    double http_requests_per_second = 20;
    double http_requests_per_second_per_address = 200;  // 0: no limit
    double http_requests_per_second_in_all = 1'000;     // 0: no limit
    std::size_t connections = 10'000;
    std::size_t connections_per_address = 0;  // 0: no limit
    double connections_per_second = 1'000;    // 0: no limit
    double connections_per_second_per_address = 500;  // 0: no limit
    std::size_t message_bytes = 65'536;
    std::size_t scanned_filters_per_collection = 1'000;
    std::uint64_t filter_steps_per_event = 10'000;
    std::uint64_t filter_steps_per_second = 15'000'000;
    std::size_t event_bytes = 1'048'576;
    std::size_t backlog_bytes = 8'388'608;
    std::size_t memory_bytes = 0;  // 0: a quarter of what the machine or the container has
    std::chrono::milliseconds handshake_timeout{10'000};
  } limits{};

  struct Heartbeat {
    std::chrono::milliseconds interval{30'000};
    std::chrono::milliseconds timeout{10'000};
  } heartbeat{};

  struct Resume {
    std::chrono::milliseconds retention{std::chrono::hours{24}};
    std::uint64_t log_bytes = 10'737'418'240;
  } resume{};

  struct Ready {
    std::chrono::milliseconds lag{30'000};
  } ready{};

  // Of the program pgtide; an embedded Bridge writes to spdlog's default logger, as you set it up.
  struct Log {
    std::string level = "info";  // trace | debug | info | warn | error | off
    LogFormat format = LogFormat::text;
  } log{};
};

}  // namespace pgtide
