#include <ctime>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "support/running_bridge.hpp"
#include "support/text.hpp"

// What an operator sees over HTTP, and what happens when the database goes away.
using namespace pgtide;
using namespace pgtide::test;

namespace {

using Frames = std::vector<std::string>;

Session reconnected(const Database& database) {
  return database.session();
}

}  // namespace

TEST_CASE("operator: /healthz, /readyz and /metrics") {
  RunningBridge bridge(blog());
  CHECK(http(bridge.address(), "GET /healthz").status == 200);
  const HttpReply ready = http(bridge.address(), "GET /readyz");
  CHECK(ready.status == 200);
  CHECK(ready.headers.at("content-type") == "application/json");
  CHECK(member(ready.body, "ready") == "true");
  CHECK(member(ready.body, "database") == "true");
  const HttpReply metrics = http(bridge.address(), "GET /metrics");
  CHECK(metrics.status == 200);
  CHECK(metrics.headers.at("content-type").starts_with("text/plain; version=0.0.4"));
  CHECK(bridge.metric("pgtide_database_connected") == 1);
  CHECK(bridge.metric("pgtide_leader") == 1);
}

TEST_CASE("operator: behind a proxy /readyz says yes or no only, and /metrics nothing") {
  RunningBridge bridge(blog());
  for (const char* header :
       {"X-Forwarded-For: 10.0.0.1", "Forwarded: for=10.0.0.1", "X-Forwarded-Proto: https"}) {
    CAPTURE(header);
    CHECK(json(http(bridge.address(), "GET /readyz", {header}).body) == json(R"({"ready":true})"));
    CHECK(http(bridge.address(), "GET /metrics", {header}).status == 403);
    CHECK(http(bridge.address(), "GET /healthz", {header}).status == 200);
  }
}

TEST_CASE("operator: counters count") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.*"});
  CHECK(client.ask_for("no pattern").find("invalid_pattern") != std::string::npos);
  bridge.run("insert into posts values (1, 'a'), (2, 'b')");
  CHECK(bridge.heard(client).size() == 2);
  CHECK(bridge.metric("pgtide_connections") == 1);
  CHECK(bridge.metric("pgtide_subscriptions") == 1);
  CHECK(bridge.metric("pgtide_connections_opened_total") == 1);
  CHECK(bridge.metric("pgtide_requests_refused_total") == 1);
  CHECK(bridge.metric("pgtide_changes_total") >= 3);
  CHECK(bridge.metric("pgtide_deliveries_total") >= 2);
  CHECK(bridge.metric("pgtide_sent_bytes_total") > 0);
}

TEST_CASE("operator: errors and closes are counted by code, and times as histograms") {
  RunningBridge bridge({.sql = blog().sql,
                        .rules = "version: 1\ncollections:\n  posts:\n    subscribe: public\n"
                                 "  ghosts:\n    table: public.comments\n    subscribe: public\n"});
  Subscriber client = bridge.connect({"posts.*"});
  CHECK(client.ask_for("no pattern").find("invalid_pattern") != std::string::npos);
  CHECK(client.ask_for("*").find("unauthenticated") != std::string::npos);
  bridge.run("insert into posts values (1, 'a'), (2, 'b')");
  CHECK(bridge.heard(client).size() == 2);
  CHECK(bridge.metric("pgtide_errors_total{code=\"invalid_pattern\"}") == 1);
  CHECK(bridge.metric("pgtide_errors_total{code=\"unauthenticated\"}") == 1);
  CHECK(bridge.metric("pgtide_errors_total{code=\"rate_limited\"}") == 0);
  CHECK(bridge.metric("pgtide_problems") == 1);  // ghosts
  const double batches = bridge.metric("pgtide_match_seconds_count");
  CHECK(batches >= 2);  // in each of two threads
  CHECK(bridge.metric("pgtide_encode_seconds_count") == batches);
  CHECK(bridge.metric("pgtide_send_seconds_count") == batches);
  CHECK(bridge.metric("pgtide_match_seconds_sum") > 0);
  CHECK(bridge.metric("pgtide_event_latency_seconds_count") >= 1);
  CHECK(bridge.metric("pgtide_event_latency_seconds_bucket{le=\"+Inf\"}") ==
        bridge.metric("pgtide_event_latency_seconds_count"));
  CHECK(bridge.metric("process_resident_memory_bytes") > 1e6);
  CHECK(bridge.metric("process_open_fds") > 5);
  CHECK(bridge.metric("process_max_fds") >= bridge.metric("process_open_fds"));
  const double now = static_cast<double>(std::time(nullptr));
  CHECK(bridge.metric("process_start_time_seconds") <= now);
  CHECK(bridge.metric("process_start_time_seconds") > now - 86'400);
  bridge.realtime().get_connections().front().close();
  CHECK(client.closed() == 4403);
  CHECK(bridge.metric("pgtide_closes_total{code=\"4403\"}") == 1);
}

namespace {

// The names of metrics in a text: pgtide_... and process_...
std::set<std::string> metric_names(const std::string& text) {
  const std::regex name("(pgtide|process)_[a-z_]+");
  std::set<std::string> names;
  for (std::sregex_iterator at(text.begin(), text.end(), name), end; at != end; ++at) {
    names.insert(at->str());
  }
  return names;
}

}  // namespace

TEST_CASE("operator: the dashboard and the alerts name metrics that are there") {
  RunningBridge bridge(blog());
  const auto there = metric_names(http(bridge.operators(), "GET /metrics").body);
  const std::string root = PGTIDE_SOURCE_DIR;
  for (const char* file : {"/ops/grafana.json", "/ops/alerts.yaml"}) {
    CAPTURE(file);
    const auto named = metric_names(file_text(root + file));
    CHECK(named.size() > 5);
    for (const std::string& name : named) {
      CAPTURE(name);
      CHECK(there.contains(name));
    }
  }
  CHECK(nlohmann::json::parse(file_text(root + "/ops/grafana.json")).at("panels").size() > 10);
  // Each is in the operators' guide, and each has a name by Prometheus' conventions.
  const std::string guide = file_text(root + "/docs/operations.md");
  std::istringstream page(http(bridge.operators(), "GET /metrics").body);
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("# TYPE ")) continue;
    std::istringstream words(line.substr(7));
    std::string name, type;
    words >> name >> type;
    CAPTURE(name);
    CHECK(name.ends_with("_total") == (type == "counter"));
    if (type == "histogram") CHECK(name.ends_with("_seconds"));
    CHECK(holds(guide, "`" + name + "`"));
  }
}

TEST_CASE("outage: a bridge that starts before its database says 503 until it was there once") {
  PrivatePostgres server = make_cluster();
  InstalledDatabase database("", server);
  database.run("create table posts (id int primary key); select pgtide.watch('posts')");
  REQUIRE(server.stop().ok());
  Folder folder;
  Config config;
  config.database.url = database.url();
  config.server.port = 0;
  config.rules =
      folder.write("rules.yaml", "version: 1\ncollections:\n  posts:\n    subscribe: public\n");
  Bridge bridge(config);
  REQUIRE(bridge.start().ok());
  const std::string address = bridge.address();
  CHECK(http(address, "GET /healthz").status == 200);
  CHECK(http(address, "GET /readyz").status == 503);
  CHECK(WireClient::upgrade(address, "/realtime/subscribe").status == 503);
  REQUIRE(server.start().ok());
  eventually([&] { return http(address, "GET /readyz").status == 200; }, std::chrono::seconds{30});
  Subscriber client(address);
  client.subscribe({"posts.*"});
  reconnected(database).run("insert into posts values (1)");
  CHECK(member(client.next(), "record_id") == "1");
}

TEST_CASE("outage: clients stay connected while the database restarts, and no event is lost") {
  PrivatePostgres server = make_cluster();
  {
    RunningBridge bridge(blog(), server);
    Subscriber client = bridge.connect({"posts.*"});
    Frames expected;
    for (int round = 0; round < 2; ++round) {
      const std::string base = std::to_string(round * 10);
      bridge.run("insert into posts select " + base +
                 " + n, 'before' from generate_series(1, 3) n");
      REQUIRE((round == 0 ? server.restart() : server.kill()).ok());
      if (round == 1) REQUIRE(server.start().ok());
      bridge.writer = reconnected(bridge.database);
      bridge.run("insert into posts select " + base + " + n, 'after' from generate_series(4, 6) n");
      for (int n = 1; n <= 6; ++n) expected.push_back(std::to_string(round * 10 + n));
    }
    Frames ids;
    while (ids.size() < expected.size()) {
      const auto frame = client.next_within(std::chrono::seconds{30});
      REQUIRE(frame.has_value());
      ids.push_back(member(*frame, "record_id"));
    }
    CHECK(ids == expected);
    CHECK(bridge.heard(client) == Frames{});
    CHECK(bridge.realtime().get_connections().front().id == client.id());
    CHECK(bridge.metric("pgtide_database_reconnects_total") >= 1);
  }
}

TEST_CASE("outage: the bridge gets over each of its database sessions being terminated") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.*"});
  for (int round = 1; round <= 3; ++round) {
    bridge.run(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = "
        "current_database() and pid <> pg_backend_pid()");
    bridge.run("insert into posts values (" + std::to_string(round) + ", 't')");
    const auto frame = client.next_within(std::chrono::seconds{20});
    REQUIRE(frame.has_value());
    CHECK(member(*frame, "record_id") == std::to_string(round));
  }
  CHECK(bridge.realtime().broadcast("notifications", "1").ok());
  CHECK(members(bridge.raw_heard(client), "record_id") == Frames{});
}

TEST_CASE("outage: a broadcast while the database is away is unavailable, and HTTP says 503") {
  PrivatePostgres server = make_cluster();
  {
    RunningBridge bridge(blog(), server);
    REQUIRE(server.stop().ok());
    const auto sent = bridge.realtime().broadcast("notifications", "1");
    REQUIRE(!sent.ok());
    CHECK(sent.error().kind == ErrorKind::unavailable);
    CHECK(http(bridge.address(), "POST /realtime/broadcast", {"Content-Type: application/json"},
               R"({"collection":"notifications","data":1})")
              .status == 503);
    eventually([&] { return http(bridge.address(), "GET /readyz").status == 503; });
    REQUIRE(server.start().ok());
    eventually([&] { return bridge.realtime().broadcast("notifications", "1").ok(); }, patience);
  }
}
