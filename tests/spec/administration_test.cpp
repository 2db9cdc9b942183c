#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "auth/base64url.hpp"
#include "support/program.hpp"
#include "support/running_bridge.hpp"
#include "support/text.hpp"
#include "support/tokens.hpp"

// Who is connected, and who is thrown out: over HTTP and from the terminal.
using namespace pgtide;
using namespace pgtide::test;
using namespace std::chrono_literals;

namespace {

using Json = nlohmann::json;

const std::string list_path = "/realtime/connections";

// As blog(), but that administrators have a role.
BridgeSetup ruled_blog(std::function<void(Config&)> adjust = {}) {
  BridgeSetup setup = blog([adjust](Config& config) {
    config.auth = token_auth();
    if (adjust) adjust(config);
  });
  setup.rules =
      "version: 1\nall: \"'admin' in user.roles\"\ncollections:\n"
      "  posts:\n    subscribe: public\n  comments:\n    subscribe: public\n";
  return setup;
}

std::string admin_line() {
  static const std::string line = bearer(token_of("boss", {"admin"}));
  return line;
}

Json listed(const std::string& address, const std::string& query = "") {
  const HttpReply reply = http(address, "GET " + list_path + query, {admin_line()});
  INFO(reply.body);
  REQUIRE(reply.status == 200);
  CHECK(reply.headers.at("content-type") == "application/json");
  return Json::parse(reply.body);
}

std::vector<std::string> ids_in(const Json& page) {
  std::vector<std::string> ids;
  for (const Json& connection : page.at("connections")) ids.push_back(connection.at("id"));
  return ids;
}

}  // namespace

TEST_CASE("administration: a page of connections is bounded in bytes, and the next goes on") {
  RunningBridge bridge(blog([](Config& config) {
    config.limits.message_bytes = 1'000'000;
    config.limits.requests_per_second = 1e6;
  }));
  std::string subscriptions;
  for (int n = 0; n < 100; ++n) {
    subscriptions += (n == 0 ? "" : ",") + std::string(R"({"pattern":"posts.)") +
                     std::to_string(n) + R"(","filter":"record.title == ')" +
                     std::string(900, 'x') + R"('"})";
  }
  std::vector<Subscriber> clients;
  std::set<std::string> expected;
  for (int n = 0; n < 25; ++n) {
    clients.push_back(bridge.connect());
    clients.back().send(R"({"type":"subscribe","subscriptions":[)" + subscriptions + "]}");
    for (int reply = 0; reply < 100; ++reply) {
      REQUIRE(member(clients.back().next(), "type") == "subscribed");
    }
    expected.insert(member(clients.back().greeting(), "connection_id"));
  }
  std::set<std::string> listed;
  std::string last;
  int pages = 0;
  for (std::string path = "GET /realtime/connections?limit=1000"; !path.empty(); ++pages) {
    const HttpReply reply = http(bridge.address(), path);
    REQUIRE(reply.status == 200);
    CHECK(reply.body.size() < 1'500'000);
    const auto page = nlohmann::json::parse(reply.body);
    REQUIRE(!page["connections"].empty());
    for (const auto& connection : page["connections"]) {
      const auto id = connection["id"].get<std::string>();
      CHECK(id > last);
      last = id;
      listed.insert(id);
    }
    path = page["next"].is_null() ? ""
                                  : "GET /realtime/connections?limit=1000&after=" +
                                        page["next"].get<std::string>();
  }
  CHECK(listed == expected);
  CHECK(pages > 1);
  const HttpReply slowest =
      http(bridge.address(), "GET /realtime/connections?limit=1000&order=backlog");
  CHECK(slowest.body.size() < 1'500'000);
}

TEST_CASE("administration: the list says of each connection who it is and what it gets") {
  RunningBridge bridge(ruled_blog());
  Subscriber reader(bridge.address(), "/realtime/subscribe", {bearer(token_of("17", {"editor"}))});
  reader.subscribe({"posts.*"});
  reader.send(R"({"type":"subscribe","pattern":"comments.*","filter":"record.post_id == 3"})");
  CHECK(member(reader.next(), "type") == "subscribed");
  bridge.run("insert into posts values (1, 'a'), (2, 'b')");
  REQUIRE(bridge.heard(reader).size() == 2);
  const Json page = listed(bridge.address());
  CHECK(page.at("next") == nullptr);
  REQUIRE(page.at("connections").size() == 1);
  Json found = page.at("connections").at(0);
  CHECK(found.at("id") == reader.id());
  CHECK(found.at("user") == Json::parse(R"({"id":"17","roles":["editor"]})"));
  CHECK(found.at("remote_address").get<std::string>().starts_with("127.0.0.1:"));
  CHECK(found.at("connected_at").get<std::string>().ends_with("Z"));
  CHECK(found.at("subscriptions") ==
        Json::parse(R"([{"pattern":"posts.*"},
                        {"pattern":"comments.*","filter":"record.post_id == 3"}])"));
  CHECK(found.at("events_sent") == 3);  // with raw_heard()'s own
  CHECK(found.at("backlog_bytes") == 0);
  CHECK(found.size() == 7);
}

TEST_CASE("administration: the slowest readers are listed by what waits for them") {
  BridgeSetup setup = ruled_blog();
  setup.adjust = [adjust = setup.adjust](Config& config) {
    if (adjust) adjust(config);
    config.limits.backlog_bytes = 256 * 1'048'576;
  };
  RunningBridge bridge(setup);
  std::vector<Subscriber> clients;
  for (int i = 0; i < 5; ++i) {
    clients.emplace_back(bridge.address(), "/realtime/subscribe",
                         std::vector{bearer(token_of("17", {"editor"}))});
    if (i < 4) clients.back().subscribe({"posts.*"});
  }
  bridge.run("insert into posts select n, repeat('x', 500000) from generate_series(1, 40) n");
  bridge.raw_heard(clients[2]);  // the others do not read
  Json page;
  eventually([&] {
    page = listed(bridge.address(), "?order=backlog&limit=4");
    return page.at("connections").size() == 4 &&
           page.at("connections").at(2).at("backlog_bytes").get<std::size_t>() > 0;
  });
  CHECK(page.at("next") == nullptr);
  const auto ids = ids_in(page);
  CHECK(std::set<std::string>(ids.begin(), ids.begin() + 3) ==
        std::set<std::string>{clients[0].id(), clients[1].id(), clients[3].id()});
  CHECK(ids[3] == clients[2].id());
  for (std::size_t i = 1; i < 4; ++i) {
    CHECK(page.at("connections").at(i - 1).at("backlog_bytes") >=
          page.at("connections").at(i).at("backlog_bytes"));
  }
}

TEST_CASE("administration: the list comes in pages, in the order of ids, and by user") {
  RunningBridge bridge(ruled_blog());
  std::vector<Subscriber> clients;
  std::vector<std::string> all;
  std::vector<std::string> of_user;
  for (int i = 0; i < 7; ++i) {
    const bool known = i % 2 == 1;
    const auto headers = known ? std::vector<std::string>{bearer(token_of("a b&c+"))}
                               : std::vector<std::string>{};
    clients.emplace_back(bridge.address(), "/realtime/subscribe", headers);
    all.push_back(clients.back().id());
    if (known) of_user.push_back(all.back());
  }
  std::sort(all.begin(), all.end());
  std::sort(of_user.begin(), of_user.end());
  CHECK(ids_in(listed(bridge.address())) == all);
  CHECK(ids_in(listed(bridge.address(), "?user=a%20b%26c+")) == of_user);
  CHECK(ids_in(listed(bridge.address(), "?user=nobody")).empty());
  std::vector<std::string> paged;
  std::string query = "?limit=3";
  for (int pages = 1;; ++pages) {
    const Json page = listed(bridge.address(), query);
    for (const std::string& id : ids_in(page)) paged.push_back(id);
    if (page.at("next") == nullptr) {
      CHECK(pages == 3);
      break;
    }
    CHECK(page.at("next") == paged.back());
    query = "?limit=3&after=" + paged.back();
  }
  CHECK(paged == all);
  // A full page that is the last one says so.
  CHECK(listed(bridge.address(), "?limit=7").at("next") == nullptr);
}

TEST_CASE("administration: a connection is closed with 4403, by its id or with all of its user's") {
  RunningBridge bridge(ruled_blog());
  const auto remove = [&](const std::string& rest) {
    return http(bridge.address(), "DELETE " + list_path + rest, {admin_line()});
  };
  Subscriber one = bridge.connect();
  Subscriber first(bridge.address(), "/realtime/subscribe", {bearer(token_of("17"))});
  Subscriber second(bridge.address(), "/realtime/subscribe", {bearer(token_of("17"))});
  Subscriber other(bridge.address(), "/realtime/subscribe", {bearer(token_of("18"))});
  const HttpReply closed = remove("/" + one.id());
  CHECK(closed.status == 200);
  CHECK(Json::parse(closed.body) == Json{{"closed", 1}});
  CHECK(one.closed() == 4403);
  eventually([&] { return remove("/" + one.id()).status == 404; });
  CHECK(remove("/nobody").status == 404);
  CHECK(holds(remove("/nobody").body, "unknown_connection"));
  CHECK(Json::parse(remove("?user=17").body) == Json{{"closed", 2}});
  CHECK(first.closed() == 4403);
  CHECK(second.closed() == 4403);
  CHECK(Json::parse(remove("?user=17").body) == Json{{"closed", 0}});
  CHECK(other.ask(R"({"type":"ping"})") == json(R"({"type":"pong"})"));
  CHECK(ids_in(listed(bridge.address())) == std::vector<std::string>{other.id()});
}

TEST_CASE("administration: what is asked wrongly is refused, and says how") {
  RunningBridge bridge(ruled_blog());
  struct Case {
    std::string request;
    int status;
    std::string said;
  };
  const Case cases[] = {
      {"GET " + list_path + "?limit=0", 400, "limit"},
      {"GET " + list_path + "?limit=1001", 400, "limit"},
      {"GET " + list_path + "?limit=1x", 400, "limit"},
      {"GET " + list_path + "?limit=", 400, "limit"},
      {"GET " + list_path + "?limit=-1", 400, "limit"},
      {"GET " + list_path + "?after=x", 400, "after"},
      {"GET " + list_path + "?user=", 400, "user"},
      {"GET " + list_path + "?user=%4", 400, "user"},
      {"GET " + list_path + "?user=a&user=b", 400, "twice"},
      {"GET " + list_path + "?usr=17", 400, "usr"},
      {"GET " + list_path + "?order=age", 400, "backlog"},
      {"GET " + list_path + "?order=backlog&after=0a5c1b1e-0000-4000-8000-000000000000", 400,
       "without"},
      {"GET " + list_path + "?token=x", 400, "token"},
      {"DELETE " + list_path, 400, "whom"},
      {"DELETE " + list_path + "/", 400, "whom"},
      {"DELETE " + list_path + "?limit=1", 400, "limit"},
      {"DELETE " + list_path + "?user=", 400, "user"},
      {"DELETE " + list_path + "/nobody?user=17", 400, "user"},
      {"PUT " + list_path, 405, "GET, HEAD, DELETE"},
      {"POST " + list_path, 405, "GET, HEAD, DELETE"},
      {"GET " + list_path + "/nobody", 405, "DELETE"},
      {"GET " + list_path + "s", 404, "nothing"},
      {"GET " + list_path + "?limit=1000", 200, "connections"},
      {"HEAD " + list_path, 200, ""},
  };
  for (const Case& one : cases) {
    CAPTURE(one.request);
    const HttpReply reply = http(bridge.address(), one.request, {admin_line()});
    CAPTURE(reply.body);
    CHECK(reply.status == one.status);
    CHECK(holds(reply.body, one.said));
    if (one.status == 405) CHECK(reply.headers.at("allow") == one.said);
  }
}

TEST_CASE("administration: it is for administrators, and not for another site's page") {
  RunningBridge bridge(ruled_blog());
  Subscriber client = bridge.connect();
  const std::string requests[] = {"GET " + list_path, "DELETE " + list_path + "/" + client.id(),
                                  "DELETE " + list_path + "?user=17"};
  for (const std::string& request : requests) {
    CAPTURE(request);
    CHECK(http(bridge.address(), request).status == 401);
    CHECK(http(bridge.address(), request, {bearer("a.b.c")}).status == 401);
    CHECK(http(bridge.address(), request, {bearer(token_of("17", {"editor"}))}).status == 403);
  }
  const std::string evil = "Origin: https://evil.example";
  CHECK(http(bridge.address(), requests[1], {admin_line(), evil}).status == 403);
  CHECK(client.ask(R"({"type":"ping"})") == json(R"({"type":"pong"})"));
}

TEST_CASE("administration: where all is public, the anonymous may on loopback only") {
  RunningBridge bridge(blog());
  const std::string proxied = "X-Forwarded-For: 10.0.0.1";
  CHECK(http(bridge.address(), "GET " + list_path).status == 200);
  CHECK(http(bridge.address(), "GET " + list_path, {proxied}).status == 401);
  CHECK(http(bridge.address(), "DELETE " + list_path + "?user=17").status == 200);
  CHECK(http(bridge.address(), "DELETE " + list_path + "?user=17", {proxied}).status == 401);
}

TEST_CASE("administration: with a listener for operators it is there, and nowhere else") {
  RunningBridge bridge(ruled_blog([](Config& config) {
    config.server.admin_host = "127.0.0.1";
    config.server.admin_port = 0;
  }));
  Subscriber client = bridge.connect();
  CHECK(ids_in(listed(bridge.operators())) == std::vector<std::string>{client.id()});
  for (const char* method : {"GET ", "DELETE "}) {
    CHECK(http(bridge.address(), method + list_path + "?user=17", {admin_line()}).status == 404);
  }
  const std::string kick = "DELETE " + list_path + "/" + client.id();
  CHECK(http(bridge.operators(), kick, {admin_line()}).status ==
        200);
  CHECK(client.closed() == 4403);
}

TEST_CASE("administration: pgtide connections and pgtide kick, in the terminal") {
  RunningBridge bridge(ruled_blog());
  const std::string url = "http://" + bridge.address();
  const std::string token = token_of("boss", {"admin"});
  const ProgramOptions as_admin{.environment = {"PGTIDE_TOKEN=" + token}};
  CHECK(run_program({"connections", "--url", url}, as_admin).output == "no connections\n");
  Subscriber reader(bridge.address(), "/realtime/subscribe", {bearer(token_of("17", {"editor"}))});
  reader.subscribe({"posts.*", "comments.*"});
  Subscriber anonymous = bridge.connect();

  const ProgramEnd table = run_program({"connections", "--url", url + "/"}, as_admin);
  CHECK(table.code == 0);
  CHECK(table.errors == "");
  for (const std::string& part : {std::string("SUBSCRIPTIONS"), reader.id(), anonymous.id(),
                                  std::string("17 (editor)"), std::string("(anonymous)"),
                                  std::string("posts.*, comments.*")}) {
    CAPTURE(table.output);
    CHECK(holds(table.output, part));
  }
  const ProgramEnd lines =
      run_program({"connections", "--user", "17", "--json", "--url", url, "--token", token});
  CHECK(lines.code == 0);
  CHECK(Json::parse(lines.output).at("id") == reader.id());

  const ProgramEnd kicked = run_program({"kick", anonymous.id(), "--url", url}, as_admin);
  CHECK(kicked.code == 0);
  CHECK(kicked.output == "closed 1 connection\n");
  CHECK(anonymous.closed() == 4403);
  const ProgramEnd by_user = run_program({"kick", "--user", "17", "--url", url}, as_admin);
  CHECK(by_user.output == "closed 1 connection\n");
  CHECK(reader.closed() == 4403);
}

TEST_CASE("administration: the terminal is told what is refused, and what to do") {
  RunningBridge bridge(ruled_blog());
  const std::string url = "http://" + bridge.address();
  const std::string token = token_of("17");
  const auto errors = [&](std::vector<std::string> arguments, int code) {
    const ProgramEnd end = run_program(arguments);
    CAPTURE(end.errors);
    CHECK(end.code == code);
    CHECK(end.output == "");
    CHECK(end.errors.starts_with("pgtide: "));
    CHECK(!holds(end.errors, token));
    return end.errors;
  };
  CHECK(holds(errors({"connections", "--url", url}, 1), "--token or PGTIDE_TOKEN"));
  CHECK(holds(errors({"connections", "--url", url, "--token", token}, 1), "may subscribe to *"));
  CHECK(holds(errors({"kick", "--user", "1", "--url", url}, 1), "--token or PGTIDE_TOKEN"));
  CHECK(holds(errors({"kick", "no-such-id", "--url", url, "--token",
                      token_of("boss", {"admin"})}, 1),
              "no open connection has this id"));
  CHECK(holds(errors({"connections", "--url", url + "/elsewhere"}, 1), "server.admin_listen"));
  CHECK(holds(errors({"connections", "--url", "http://127.0.0.1:9"}, 1), "no bridge answers"));
  CHECK(holds(errors({"connections", "--url", "ws://127.0.0.1:9"}, 2), "http://"));
  CHECK(holds(errors({"kick"}, 2), "--user ID"));
  CHECK(holds(errors({"kick", "an-id", "--user", "17"}, 2), "--user ID"));
}
