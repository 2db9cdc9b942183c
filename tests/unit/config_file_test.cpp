#include "config/config_file.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace pgtide;
using namespace std::chrono_literals;

namespace {

const std::string quoting_hint =
    "; a value that begins with a quote, a bracket or ! is written between double quotes";

// Every value as one text, so that one comparison compares all.
std::string printed(const Config& config) {
  std::string out;
  for (const ConfigKey& key : config_keys()) {
    out += key.path + ": " + value_text(config, key.path) + "\n";
  }
  return out;
}

std::string faults_of(const std::string& yaml) {
  Config config;
  const std::string before = printed(config);
  const std::string faults = to_string("c", apply_yaml(yaml, config));
  if (!faults.empty()) CHECK(printed(config) == before);
  return faults;
}

}  // namespace

TEST_CASE("config: a file changes the keys it names and no others") {
  Config config;
  const auto faults = apply_yaml(
      "database: {wake_up: poll, url: 'host=/tmp dbname=x'}\n"
      "server:\n"
      "  listen: '[::1]:0'\n"
      "  allowed_origins: ['https://a.example', \"*\"]\n"
      "limits:\n"
      "  requests_per_second: 2.5\n"
      "heartbeat: {interval: 250 ms}\n"
      "rules: /etc/rules.yaml\n"
      "log:\n",
      config);
  CHECK(to_string("c", faults) == "");
  Config expected;
  expected.database.wake_up = Config::WakeUp::poll;
  expected.database.url = "host=/tmp dbname=x";
  expected.server.host = "::1";
  expected.server.port = 0;
  expected.server.allowed_origins = {"https://a.example", "*"};
  expected.limits.requests_per_second = 2.5;
  expected.heartbeat.interval = 250ms;
  expected.rules = "/etc/rules.yaml";
  CHECK(printed(config) == printed(expected));
  CHECK(config.server.host == "::1");
}

TEST_CASE("config: a rules file that is named must be there") {
  Config config;
  CHECK(!config.rules_named);
  CHECK(apply_yaml("rules: rules.yaml", config).empty());
  CHECK(config.rules_named);
}

TEST_CASE("config: nothing is a valid file") {
  for (const char* text : {"", "# only a comment\n", "---\n", "server:\n", "~"}) {
    CAPTURE(text);
    CHECK(faults_of(text) == "");
  }
}

TEST_CASE("config: a fault says where it stands, what is wrong and how to mend it") {
  struct Row {
    std::string yaml;
    std::string faults;
    std::string why;
  };
  const Row rows[] = {
      {"limits:\n  conections: 5",
       "c:2:3: unknown key 'limits.conections'; did you mean "
       "limits.connections?",
       "a letter is missing"},
      {"sever: {}", "c:1:1: unknown key 'sever'; did you mean server?", "a section misspelled"},
      {"interval: 5s", "c:1:1: unknown key 'interval'; did you mean heartbeat.interval?",
       "the right key in the wrong place"},
      {"limits: {lag: 5s}", "c:1:10: unknown key 'limits.lag'; did you mean ready.lag?",
       "in another section"},
      {"zebra: 1", "c:1:1: unknown key 'zebra'", "nothing is near"},
      {"limits: {connections: 5}\nlimits: {}",
       "c:2:1: the key 'limits' stands here for the second time", "a section twice"},
      {"log:\n  level: info\n  level: warn",
       "c:3:3: the key 'level' stands here for the second time", "a key twice"},
      {"limits:\n  connections: many",
       "c:2:16: limits.connections must be a whole number from 1 to 1000000, not 'many'", "a word"},
      {"limits: {connections: 1.5}",
       "c:1:23: limits.connections must be a whole number from 1 to 1000000, not '1.5'",
       "a fraction"},
      {"limits: {connections: -1}",
       "c:1:23: limits.connections must be a whole number from 1 to 1000000, not '-1'", "negative"},
      {"limits: {connections: 0}",
       "c:1:23: limits.connections must be a whole number from 1 to 1000000, not '0'", "too few"},
      {"limits: {connections: 99999999999999999999}",
       "c:1:23: limits.connections must be a whole number from 1 to 1000000, "
       "not '99999999999999999999'",
       "past 64 bits"},
      {"limits: {connections: '100'}",
       "c:1:23: limits.connections must be a whole number from 1 to 1000000, not '100'",
       "a string"},
      {"limits: {connections: [1]}",
       "c:1:23: limits.connections must be a whole number from 1 to 1000000, not a list", "a list"},
      {"limits: {connections: }",
       "c:1:10: limits.connections must be a whole number from 1 to 1000000", "no value"},
      {"limits: {requests_per_second: .inf}",
       "c:1:31: limits.requests_per_second must be a number from 0.1 to 1000000, not '.inf'",
       "infinity"},
      {"limits: 5",
       "c:1:9: limits must hold keys, such as 'subscriptions_per_connection:', below it",
       "no section"},
      {"- limits", "c:1:1: the file must hold keys, such as 'database:'", "a list"},
      {"heartbeat: {interval: 30}",
       "c:1:23: heartbeat.interval is not a duration: '30' has no unit; write ms, s, m, h or d "
       "after "
       "the number",
       "no unit"},
      {"heartbeat: {interval: 1ms}",
       "c:1:23: heartbeat.interval must be a duration from 100ms to 24h, not '1ms'", "too short"},
      {"server: {listen: 8080}",
       "c:1:18: server.listen must be host:port, such as 127.0.0.1:8080 or [::1]:8080, not '8080'",
       "no host"},
      {"server: {listen: '::1:8080'}",
       "c:1:18: server.listen must be host:port, such as 127.0.0.1:8080 or [::1]:8080, not "
       "'::1:8080'",
       "IPv6 without brackets"},
      {"server: {listen: 'localhost:65536'}",
       "c:1:18: server.listen must be host:port, such as 127.0.0.1:8080 or [::1]:8080, not "
       "'localhost:65536'",
       "no port"},
      {"server: {path: realtime}",
       "c:1:16: server.path must be a path of a URL, such as /realtime/subscribe", "no slash"},
      {"server: {path: /healthz}",
       "c:1:16: server.path must be another path; the operator's HTTP has this one", "taken"},
      {"server: {allowed_origins: [\"*\", app.example.com]}",
       "c:1:33: server.allowed_origins must be \"*\", null or an origin, such as "
       "https://app.example.com or file://; "
       "not 'app.example.com'",
       "an item of a list"},
      {"server: {allowed_origins: [null]}",
       "c:1:28: server.allowed_origins has an item without a value; where the word null is meant, "
       "quote it: \"null\"",
       "what YAML takes for no value"},
      {"server: {allowed_origins: '*'}",
       "c:1:27: server.allowed_origins must be a list, such as [a, b]", "no list"},
      {"database: {url: }", "c:1:12: database.url has no value; write \"\" for none", "no text"},
      {"database: {wake_up: nofity}",
       "c:1:21: database.wake_up must be auto, notify or poll, not 'nofity'; did you mean notify?",
       "a choice misspelled"},
      {"log: {level: warning}",
       "c:1:14: log.level must be trace, debug, info, warn, error or off, not 'warning'",
       "another library's word"},
      {"server: {tls: {certificate: x}}", "c:1:10: server.tls: not in this version; remove it",
       "a key to come"},
      {"server: {admin_listen: 8081}",
       "c:1:24: server.admin_listen must be host:port, such as 127.0.0.1:8080 or [::1]:8080, not "
       "'8081'",
       "no host"},
      {"server: {trusted_proxies: [10.0.0.0/8, '::1', proxy]}",
       "c:1:47: server.trusted_proxies must be an address or a network, such as 10.0.0.0/8; not "
       "'proxy'",
       "a name"},
      {"resume: {window_bytes: 1, replay_bytes: 1}\nlimits: {snapshots: 1}",
       "c:1:10: resume.window_bytes: not in this version; remove it\n"
       "c:1:27: resume.replay_bytes: not in this version; remove it\n"
       "c:2:10: limits.snapshots: not in this version; remove it",
       "more of them"},
      {"a: &x [1]\nb: *x",
       "c:1:1: unknown key 'a'\n"
       "c:1:4: anchors (&name) are not supported; remove it\n"
       "c:2:1: unknown key 'b'\nc:2:4: aliases (*name) are not supported; "
       "write the value again",
       "anchors"},
      {"limits: {connections: !!int 5}",
       "c:1:23: tags ('tag:yaml.org,2002:int') are not supported" + quoting_hint,
       "a tag"},
      {"limits: {connections: 5", "c:1:1: not valid YAML: end of map flow not found" + quoting_hint,
       "syntax"},
      {"log: {}\n---\nlog: {}", "c: holds more than one document; remove the '---' between them",
       "two documents"},
      {"log: {}\n\x04limits: nonsense", "c:2:1: a control character", "yaml-cpp's end of text"},
      {"log: {level: \xff}", "c:1:1: bytes that are no UTF-8", "no UTF-8"},
      {"limits: {connections: x, message_bytes: y}\nlog: {level: z}",
       "c:1:23: limits.connections must be a whole number from 1 to 1000000, not 'x'\n"
       "c:1:41: limits.message_bytes must be a whole number from 1024 to 67108864, not 'y'\n"
       "c:2:14: log.level must be trace, debug, info, warn, error or off, not 'z'",
       "all faults at once"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    CHECK(faults_of(row.yaml) == row.faults);
  }
}

TEST_CASE("config: a text past its limits is refused at once") {
  CHECK(faults_of(std::string(2'000'000, '#')) == "c: larger than 1048576 bytes");
  CHECK(faults_of(std::string(1'000, '[')).find("nested too deeply") != std::string::npos);
  std::string many;
  for (int i = 0; i < 1'000; ++i) many += "unknown_" + std::to_string(i) + ": 1\n";
  Config config;
  CHECK(apply_yaml(many, config).size() == 100);
}

TEST_CASE("config: the aliases of a billion laughs stand for nothing") {
  std::string text = "a0: &a0 [lol]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int j = 0; j < 9; ++j) text += "," + before;
    text += "]\n";
  }
  Config config;
  CHECK(apply_yaml(text, config).size() == 100);
}

TEST_CASE("config: flags and environment are read as the file is") {
  struct Row {
    const char* path;
    const char* value;
    std::string expected;  // as the file would have it; "!..." the fault
  };
  const Row rows[] = {
      {"limits.event_bytes", "4096", "4096"},
      {"limits.requests_per_second", "0.5", "0.5"},
      {"heartbeat.interval", "2m", "2m"},
      {"database.url", "postgresql://a:b@h/d?x=y # z", "\"postgresql://a:b@h/d?x=y # z\""},
      {"database.wake_up", "notify", "notify"},
      {"server.listen", "localhost:0", "localhost:0"},
      {"server.allowed_origins", "https://a.example, https://b.example:8443",
       "[\"https://a.example\", \"https://b.example:8443\"]"},
      {"server.allowed_origins", "[\"*\"]", "[\"*\"]"},
      {"server.allowed_origins", "", "[]"},
      {"server.allowed_origins", "null, file://, capacitor://localhost",
       "[\"null\", \"file://\", \"capacitor://localhost\"]"},
      {"server.allowed_origins", "https://",
       "!server.allowed_origins: must be \"*\", null or an origin, such as "
       "https://app.example.com or file://; not 'https://'"},
      {"server.allowed_origins", "file:///",
       "!server.allowed_origins: must be \"*\", null or an origin, such as "
       "https://app.example.com or file://; not 'file:///'"},
      {"server.admin_listen", "127.0.0.1:0", "127.0.0.1:0"},
      {"server.admin_listen", "", "\"\""},
      {"server.trusted_proxies", "10.0.0.1, fd00::/8", "[\"10.0.0.1\", \"fd00::/8\"]"},
      {"server.allowed_origins", "[https://a.example",
       "!server.allowed_origins: must be a list, such as [a, b]"},
      {"server.allowed_origins", "*", "!server.allowed_origins: must be a list, such as [a, b]"},
      {"limits.event_bytes", "",
       "!limits.event_bytes: must be a whole number from 1024 to "
       "268435456, not ''"},
      {"limits.event_bytse", "4096",
       "!limits.event_bytse: unknown key 'limits.event_bytse'; did you "
       "mean limits.event_bytes?"},
      {"auth.required", "true", "true"},
      {"auth.required", "yes", "!auth.required: must be true or false, not 'yes'"},
      {"auth.jwt.algorithms", "RS256, EdDSA", "[\"RS256\", EdDSA]"},
      {"auth.jwt.leeway", "5s", "5s"},
      {"auth.api_keys", "[]", "!auth.api_keys: is set in config.yaml only"},
      {"server.tls", "x", "!server.tls: not in this version"},
      {"log.level", "\x1b[31m\xff", "!log.level: must be a text without control characters"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.path);
    CAPTURE(row.value);
    Config config;
    const auto applied = apply_value(config, row.path, row.value);
    const std::string got =
        applied ? value_text(config, row.path) : "!" + applied.error().to_string();
    CHECK(got == row.expected);
    if (!applied) CHECK(applied.error().kind == ErrorKind::invalid);
    if (!applied) CHECK(printed(config) == printed(Config{}));
  }
}

TEST_CASE("config: a wrong database URL never shows its password") {
  Config config;
  const auto applied = apply_value(config, "database.url", "postgresql://u:secret@h/\x01");
  REQUIRE(!applied);
  CHECK(applied.error().to_string().find("secret") == std::string::npos);
  CHECK(faults_of("database: {url: [postgresql://u:secret@h/]}").find("secret") ==
        std::string::npos);
}

TEST_CASE("config: a duration is a whole number and a unit") {
  struct Row {
    const char* text;
    std::int64_t milliseconds;  // -1: refused
  };
  const Row rows[] = {{"30s", 30'000},
                      {"250 ms", 250},
                      {"24h", 86'400'000},
                      {"7d", 604'800'000},
                      {"1m", 60'000},
                      {"0s", 0},
                      {"30", -1},
                      {"", -1},
                      {"s", -1},
                      {"-1s", -1},
                      {"1.5s", -1},
                      {" 1s", -1},
                      {"1s ", -1},
                      {"1S", -1},
                      {"1 min", -1},
                      {"9223372036854775807ms", std::numeric_limits<std::int64_t>::max()},
                      {"9223372036854775807s", -1},
                      {"9223372036854775808ms", -1}};
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto parsed = parse_duration(row.text);
    CHECK((parsed ? parsed->count() : -1) == row.milliseconds);
    if (parsed) CHECK(*parse_duration(to_text(*parsed)) == *parsed);
  }
  CHECK(to_text(24h) == "24h");
  CHECK(to_text(48h) == "2d");
  CHECK(to_text(1500ms) == "1500ms");
}

TEST_CASE("config: each key's flag and variable come from its path") {
  std::set<std::string> seen;
  for (const ConfigKey& key : config_keys()) {
    CAPTURE(key.path);
    CHECK(key.flag.empty() == (key.path == "auth.api_keys"));
    CHECK(key.environment.empty() == key.flag.empty());
    if (key.flag.empty()) continue;
    CHECK(seen.insert(key.flag).second);
    CHECK(seen.insert(key.environment).second);
    CHECK(key.sentence.back() == '.');
    Config config;
    const bool secret = key.fallback == "\"\"";
    CHECK(apply_value(config, key.path, secret ? "" : key.fallback).ok());
    CHECK(printed(config) == printed(Config{}));
  }
  CHECK(seen.contains("--limits.subscriptions-per-connection"));
  CHECK(seen.contains("PGTIDE_LIMITS_SUBSCRIPTIONS_PER_CONNECTION"));
  CHECK(seen.contains("--auth.jwt.require-expiry"));
  CHECK(seen.contains("PGTIDE_AUTH_JWT_REQUIRE_EXPIRY"));
}

TEST_CASE("config: a backlog that no event fits into is a contradiction") {
  Config config;
  CHECK(contradictions(config).empty());
  config.limits.backlog_bytes = config.limits.event_bytes - 1;
  CHECK(contradictions(config).size() == 1);
}

TEST_CASE("config: memory for less than one backlog is a contradiction, and 0 is none") {
  Config config;
  config.limits.memory_bytes = config.limits.backlog_bytes - 1;
  CHECK(contradictions(config).size() == 1);
  config.limits.memory_bytes = config.limits.backlog_bytes;
  CHECK(contradictions(config).empty());
}

TEST_CASE("config: any bytes are a file or its faults, never a crash") {
  std::mt19937 random(20'241);
  const std::string pieces[] = {"limits:", " ",  "\n", "  ",    "connections", ":",    "5",
                                "[",       "]",  "{",  "}",     "- ",          "&a",   "*a",
                                "'",       "\"", "|",  ">",     "#",           "?",    "!!x ",
                                ",",       "\t", "%",  "---\n", "...\n",       "<<: ", "\\"};
  for (int round = 0; round < 3'000; ++round) {
    std::string text;
    const std::size_t length = random() % 40;
    for (std::size_t i = 0; i < length; ++i) {
      if (random() % 8 == 0) {
        text += static_cast<char>(random() % 256);
      } else {
        text += pieces[random() % std::size(pieces)];
      }
    }
    CAPTURE(text);
    Config config;
    const auto faults = apply_yaml(text, config);
    if (!faults.empty()) CHECK(printed(config) == printed(Config{}));
    for (const FileFault& fault : faults) CHECK((fault.line >= 0 && fault.column >= 0));
    (void)parse_rules(text, "r");
  }
}
