#include "support/frame_shape.hpp"
#include "support/serving.hpp"

// Who stands between the program and its clients, and what a request says of its way: proxies,
// port-forwards, pages of other sites.
using namespace pgtide::test;

namespace {

// A bridge whose rules open everything, so that loopback may do everything.
struct OpenBridge {
  explicit OpenBridge(std::vector<std::string> arguments = {},
                      const std::string& listen = "127.0.0.1:0") {
    stage.folder.write("rules.yaml",
                       "version: 1\nall: public\ncollections:\n  posts:\n    subscribe: public\n");
    serving.emplace(stage, "port", std::move(arguments), listen);
  }
  // By the loopback address, wherever else it listens.
  std::string address() const {
    const std::string& told = serving->address();
    return "127.0.0.1" + told.substr(told.rfind(':'));
  }
  int status(const std::string& request, const std::vector<std::string>& headers = {}) const {
    return http(address(), request, headers).status;
  }
  int upgrade(const std::vector<std::string>& headers) const {
    return WireClient::upgrade(address(), "/realtime/subscribe", headers).status;
  }

  Stage stage;
  std::optional<Serving> serving;
};

}  // namespace

TEST_CASE("proxies: whatever a proxy calls its client, loopback's rights are not the client's") {
  const OpenBridge open;
  for (const char* header :
       {"X-Real-IP: 192.0.2.1", "x-real-ip: 192.0.2.1", "Via: 1.1 cache",
        "Via:", "CF-Connecting-IP: 192.0.2.1", "True-Client-IP: 192.0.2.1",
        "X-Client-IP: 192.0.2.1", "X-Cluster-Client-IP: 192.0.2.1", "Fastly-Client-IP: 192.0.2.1",
        "CDN-Loop: cloud", "Fly-Client-IP: 192.0.2.1", "X-Azure-ClientIP: 192.0.2.1",
        "X-Envoy-External-Address: 192.0.2.1", "X-Original-For: 192.0.2.1",
        "X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "X-Forwarded-Port: 443"}) {
    CAPTURE(header);
    CHECK(open.status("GET /metrics", {header}) == 403);
    CHECK(open.status("GET /realtime/connections", {header}) == 401);
    CHECK(open.status("POST /realtime/broadcast_all", {header, "Content-Type: application/json"}) ==
          401);
    CHECK(http(open.address(), "GET /readyz", {header}).body == "{\"ready\":true}\n");
  }
  CHECK(open.status("GET /metrics") == 200);
  CHECK(open.status("GET /metrics", {"X-Viable: yes"}) == 200);
}

TEST_CASE("proxies: with server.loopback_admin off, loopback is as anywhere else") {
  const OpenBridge open({"--server.loopback-admin", "false"});
  CHECK(open.status("GET /metrics") == 403);
  CHECK(open.status("GET /realtime/connections") == 401);
  CHECK(open.status("DELETE /realtime/connections?user=17") == 401);
  CHECK(open.status("POST /realtime/broadcast_all", {"Content-Type: application/json"}) == 401);
  CHECK(http(open.address(), "GET /readyz").body == "{\"ready\":true}\n");
  CHECK(open.status("GET /healthz") == 200);
  CHECK(open.upgrade({}) == 101);
}

TEST_CASE("proxies: server.allowed_origins, once set, is the whole list") {
  const OpenBridge open({"--server.allowed-origins", "https://app.example"});
  const std::string port = open.address().substr(open.address().rfind(':'));
  struct Case {
    std::vector<std::string> headers;
    int status;
    const char* why;
  };
  const Case cases[] = {
      {{}, 101, "no browser's page"},
      {{"Origin: https://app.example"}, 101, "listed"},
      {{"Origin: http://127.0.0.1" + port}, 403, "the bridge's own host, not listed"},
      {{"Origin: http://127.0.0.1:3000"}, 403, "another program's page on the same host"},
      {{"Host: localhost", "Origin: http://localhost"}, 403, "a loopback name, not listed"},
      {{"Host: app.example", "Origin: http://app.example"}, 403, "the listed host, in the clear"},
      {{"Host: app.example", "Origin: https://app.example"}, 101, "both listed"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.why);
    CHECK(open.upgrade(one.headers) == one.status);
  }
  CHECK(open.status("POST /realtime/broadcast_all",
                    {"Content-Type: application/json", "Origin: http://127.0.0.1" + port}) == 403);
}

TEST_CASE("proxies: the origins of pages without a site can be listed, each by itself") {
  struct Case {
    std::string listed;
    std::string origin;
    int status;
  };
  const Case cases[] = {
      {"null", "null", 101},
      {"null", "file://", 403},
      {"null", "http://127.0.0.1", 403},
      {"null", "several", 403},
      {"file://", "file://", 101},
      {"file://", "null", 403},
      {"capacitor://localhost", "capacitor://localhost", 101},
  };
  std::optional<OpenBridge> open;
  std::string listed;
  for (const Case& one : cases) {
    CAPTURE(one.listed);
    CAPTURE(one.origin);
    if (listed != one.listed) {
      open.emplace(std::vector<std::string>{"--server.allowed-origins", one.listed}, "0.0.0.0:0");
    }
    listed = one.listed;
    CHECK(open->upgrade({"Origin: " + one.origin}) == one.status);
    CHECK(open->upgrade({"Origin: " + one.origin, "Origin: " + one.origin}) == 403);
    CHECK(open->upgrade({}) == 101);
    // Such an origin names no host, and so Host stays unchecked where it was.
    CHECK(open->upgrade({"Host: rt.example", "Origin: " + one.origin}) ==
          (listed == "capacitor://localhost" ? 403 : one.status));
  }
}

TEST_CASE("proxies: with server.allowed_origins Host is checked wherever the bridge listens") {
  const OpenBridge open({"--server.allowed-origins", "https://app.example"}, "0.0.0.0:0");
  struct Case {
    std::string host;
    int upgrade;
    int health;
    const char* why;
  };
  const Case cases[] = {
      {"rebound.example", 403, 403, "another site's name for our address"},
      {"app.example", 101, 200, "listed"},
      {"APP.example:8080", 101, 200, "listed; neither case nor port matter"},
      {"app.example.rebound.example", 403, 403, "begins as the listed one"},
      {"localhost", 101, 200, "a loopback name"},
      {"10.1.2.3:8080", 101, 200, "an address, as probes write it: it cannot be rebound"},
      {"[fd00::1]:8080", 101, 200, "an address"},
      {"10.1.2.3.rebound.example", 403, 403, "begins as an address"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.why);
    CHECK(open.upgrade({"Host: " + one.host}) == one.upgrade);
    CHECK(open.status("GET /healthz", {"Host: " + one.host}) == one.health);
  }
  CHECK(holds(http(open.address(), "GET /healthz", {"Host: rebound.example"}).body,
              "server.allowed_origins"));
}

TEST_CASE("proxies: filters are paid for by the address that a trusted proxy names") {
  // A connection has tokens for one pattern with a filter, an address for 44 at the most.
  const OpenBridge open({"--server.trusted-proxies", "127.0.0.1/32", "--server.threads", "1",
                         "--limits.subscriptions-per-connection", "1",
                         "--limits.requests-per-second", "0.1"});
  const auto answer_to = [&](const std::string& client) {
    WireClient page(open.address(), "/realtime/subscribe", {"X-Forwarded-For: " + client});
    page.next();
    page.send(R"({"type":"subscribe","pattern":"posts.*","filter":"record.id == 1"})");
    return member(page.next(), "code");
  };
  int asked = 0;
  while (asked < 200 && answer_to("2001:db8::" + std::to_string(asked + 1)).empty()) ++asked;
  CHECK(asked > 5);
  CHECK(asked < 100);
  CHECK(answer_to("2001:db8::ffff") == "rate_limited");
  CHECK(answer_to("2001:db8:0:1::1").empty());
  CHECK(answer_to("192.0.2.1").empty());
}
