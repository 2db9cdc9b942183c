#include <doctest/doctest.h>

#include "gateway/credential_clock.hpp"
#include "integration/gateway_rig.hpp"

// Where a credential may stand in a request, which of them counts, and when it ends. Who it names
// is decided by a gatekeeper of the tests.
using namespace pgtide;
using namespace pgtide::test;

namespace {

// Tokens are names; "wrong" is none. The key "secret" is the backend's, which runs the server.
class TestGatekeeper final : public Gatekeeper {
 public:
  Result<Identity> by_token(std::string_view token, std::string_view) const override {
    ++asked;
    if (token == "unseen") return Error{ErrorKind::unavailable, "come again"};
    if (token == "wrong" || token.empty()) return Error{ErrorKind::denied, "it is wrong"};
    return Identity{{.id = std::string(token)}, std::nullopt};
  }
  Result<Identity> by_key(std::string_view key, std::string_view) const override {
    ++asked;
    if (key != "secret") return Error{ErrorKind::denied, "it is wrong"};
    return Identity{{.id = "backend"}, std::nullopt};
  }
  bool still_accepts(const Principal&, KeyPrint) const override { return true; }
  bool administers(const Principal* user) const override {
    return user != nullptr && user->id == "backend";
  }
  mutable std::atomic<int> asked = 0;  // credentials that were looked at
};

RigOptions guarded() {
  RigOptions options;
  options.gateway.gatekeeper = std::make_shared<TestGatekeeper>();
  return options;
}

// The user's id of an upgrade, "anonymous", "401", or "4401" for one that is closed after it.
std::string who_is(Rig& rig, const std::string& headers, const std::string& query = "") {
  RawSocket socket(rig);
  const std::string head = socket.shake_hands(headers, "/realtime/subscribe" + query);
  if (!head.starts_with("HTTP/1.1 101")) return head.substr(9, 3);
  const Json first = Json::parse(socket.read_frame().payload);
  if (first.at("type") == "error") {
    CHECK(first.at("code") == "invalid_token");
    return std::to_string(code_of(socket.read_frame()));
  }
  const Json user = first.at("user");
  return user.is_null() ? "anonymous" : user.at("id").get<std::string>();
}

std::string status_for(Rig& rig, const std::string& request, const std::string& headers) {
  RawSocket socket(rig);
  const bool posts = request.starts_with("POST");
  socket.send(request + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers +
              (posts ? "Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{\"data\":1}"
                     : "\r\n"));
  return socket.read_to_end().substr(9, 3);
}

}  // namespace

TEST_CASE("gateway: what anyone may ask looks at no credential") {
  RigOptions options;
  const auto gatekeeper = std::make_shared<TestGatekeeper>();
  options.gateway.gatekeeper = gatekeeper;
  Rig rig(options);
  rig.op.page_text = "<!doctype html>";
  const std::string afar = "X-Forwarded-For: 192.0.2.1\r\n";
  for (const char* path : {"/healthz", "/readyz", "/", "/readyz?x=1"}) {
    CAPTURE(path);
    for (const std::string& credential : {std::string("Authorization: Bearer 17\r\n"),
                                          std::string("X-API-Key: secret\r\n")}) {
      const std::string status = status_for(rig, std::string("GET ") + path, afar + credential);
      CHECK(status == (std::string(path).starts_with("/readyz") ? "503" : "200"));
      status_for(rig, std::string("GET ") + path, credential);
    }
  }
  CHECK(gatekeeper->asked == 0);
  CHECK(status_for(rig, "GET /readyz?verbose", afar) == "401");
  CHECK(status_for(rig, "GET /readyz?verbose", afar + "X-API-Key: wrong\r\n") == "401");
  CHECK(status_for(rig, "GET /readyz?verbose", afar + "Authorization: Bearer 17\r\n") == "403");
  RawSocket administrator(rig);
  administrator.send("GET /readyz?verbose HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
                     afar + "X-API-Key: secret\r\n\r\n");
  CHECK(administrator.read_to_end().find("\"database\":\"away\"") != std::string::npos);
}

TEST_CASE("gateway: a credential that is not looked at is 429, wherever it stands") {
  RigOptions options = guarded();
  options.gateway.query_token = true;
  Rig rig(options);
  const std::string bearer = "Authorization: Bearer unseen\r\n";
  CHECK(who_is(rig, bearer) == "429");
  CHECK(who_is(rig, "Sec-WebSocket-Protocol: pgtide, pgtide.bearer.unseen\r\n") == "429");
  CHECK(who_is(rig, "", "?token=unseen") == "429");
  CHECK(status_for(rig, "GET /realtime/connections", bearer) == "429");
  RawSocket socket(rig);
  CHECK(socket.shake_hands(bearer).find("Retry-After: 1\r\n") != std::string::npos);
}

TEST_CASE("gateway: past its requests a connection is told 429, but not an administrator's") {
  RigOptions options = guarded();
  options.gateway.http_requests_per_second = 0.1;  // and at least one at once
  Rig rig(options);
  const std::string afar = "X-Forwarded-For: 192.0.2.1\r\n";
  const auto head = [](const std::string& headers, const std::string& path) {
    return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
  };
  for (const char* path : {"/healthz", "/readyz", "/nowhere", "/realtime/subscribe",
                           "/realtime/connections"}) {
    CAPTURE(path);
    RawSocket socket(rig);
    socket.send(head(afar, path) + head(afar, path));
    const std::string answers = socket.read_to_end();
    CHECK(!answers.starts_with("HTTP/1.1 429"));
    const auto second = answers.find("HTTP/1.1 429", 1);
    REQUIRE(second != std::string::npos);
    CHECK(answers.find("Retry-After: 10\r\n", second) != std::string::npos);
    CHECK(answers.find("Connection: close\r\n", second) != std::string::npos);
  }
  RawSocket loopback(rig);
  RawSocket administrator(rig);
  for (int n = 0; n < 20; ++n) {
    loopback.send(head("", "/healthz"));
    CHECK(loopback.read_head().starts_with("HTTP/1.1 200"));
    loopback.read_bytes(16);
    administrator.send("HEAD /realtime/connections HTTP/1.1\r\nHost: localhost\r\n" + afar +
                       "X-API-Key: secret\r\n\r\n");
    CHECK(administrator.read_head().starts_with("HTTP/1.1 200"));
  }
  CHECK(rig.counters().http_refusals[429] == 5);
}

TEST_CASE("gateway: what others of an address ask for takes its requests, but no upgrade") {
  RigOptions options = guarded();
  options.gateway.http_requests_per_second = 0.1;
  Rig rig(options);
  rig.op.requests_left = 2;
  const std::string afar = "X-Forwarded-For: 192.0.2.1\r\n";
  CHECK(status_for(rig, "GET /healthz", afar) == "200");
  CHECK(status_for(rig, "POST /realtime/broadcast_all", afar + "X-API-Key: wrong\r\n") == "401");
  CHECK(status_for(rig, "GET /healthz", afar) == "429");
  CHECK(status_for(rig, "POST /realtime/broadcast_all", afar + "X-API-Key: wrong\r\n") == "429");
  CHECK(status_for(rig, "POST /realtime/broadcast_all", afar + "X-API-Key: secret\r\n") == "202");
  CHECK(status_for(rig, "GET /healthz", "") == "200");
  CHECK(who_is(rig, afar) == "anonymous");
  RawSocket socket(rig);  // a connection's own requests hold for upgrades as well
  const std::string upgrade =
      "GET /realtime/subscribe HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\n" + afar + "\r\n";
  rig.op.requests_left = 2;
  socket.send(upgrade + upgrade);
  const std::string answers = socket.read_to_end();
  CHECK(answers.starts_with("HTTP/1.1 426"));
  CHECK(answers.find("HTTP/1.1 429", 1) != std::string::npos);
  rig.op.requests_left = 0;  // one that is not in order is a request like others
  RawSocket wrong(rig);
  wrong.send(upgrade);
  CHECK(wrong.read_head().starts_with("HTTP/1.1 429"));
  RawSocket often(rig);
  rig.op.admission = Operator::Admission::too_often_from_address;
  CHECK(often.shake_hands(afar).starts_with("HTTP/1.1 429"));
}

TEST_CASE("gateway: the first place that has a credential is the one that counts") {
  struct Row {
    std::string headers;
    std::string query;
    std::string expected;
    std::string why;
  };
  const std::string bearer = "Sec-WebSocket-Protocol: pgtide, pgtide.bearer.";
  const Row rows[] = {
      {"", "", "anonymous", "none at all"},
      {"Authorization: Bearer ann\r\n", "", "ann", "the header"},
      {"authorization: bEARER \t ann \r\n", "", "ann", "no case, spaces"},
      {"Authorization: Bearer wrong\r\n", "", "401", "a wrong one"},
      {"Authorization: Bearer\r\n", "", "401", "an empty one"},
      {"Authorization: Basic YTpi\r\n", "", "anonymous", "another scheme"},
      {"Authorization: Bearerann\r\n", "", "anonymous", "another scheme that begins alike"},
      {"X-API-Key: secret\r\n", "", "backend", "a key"},
      {"X-API-Key: other\r\n", "", "401", "an unknown key"},
      {"X-API-Key:\r\n", "", "401", "an empty key"},
      {"Authorization: Basic YTpi\r\nX-API-Key: secret\r\n", "", "backend", "a key beside Basic"},
      {"Authorization: Bearer ann\r\nAuthorization: Bearer ann\r\n", "", "401", "two headers"},
      {"X-API-Key: secret\r\nX-API-Key: secret\r\n", "", "401", "two keys"},
      {"Authorization: Bearer ann\r\nX-API-Key: secret\r\n", "", "401", "both"},
      {bearer + "ann\r\n", "", "ann", "the subprotocol"},
      {bearer + "wrong\r\n", "", "4401", "a wrong one is told after the upgrade"},
      {bearer + "ann, pgtide.bearer.bob\r\n", "", "4401", "two of them"},
      {bearer + "ann\r\nAuthorization: Bearer bob\r\n", "", "bob", "the header comes first"},
      {bearer + "ann\r\nAuthorization: Bearer wrong\r\n", "", "401", "even where it is wrong"},
      {"", "?token=eve", "anonymous", "the query is not looked at"},
  };
  Rig rig(guarded());
  for (const Row& row : rows) {
    CAPTURE(row.why);
    CHECK(who_is(rig, row.headers, row.query) == row.expected);
  }
  RigOptions with_query = guarded();
  with_query.gateway.query_token = true;
  Rig open_rig(with_query);
  const Row more[] = {
      {"", "?token=eve", "eve", "where it is allowed"},
      {"", "?a=b&token=eve&c", "eve", "among others"},
      {"", "?token=wrong", "4401", "a wrong one"},
      {"", "?token=", "4401", "an empty one"},
      {"", "?token=eve&token=eve", "4401", "twice"},
      {"", "?mytoken=eve", "anonymous", "another name"},
      {bearer + "ann\r\n", "?token=eve", "ann", "the subprotocol comes first"},
  };
  for (const Row& row : more) {
    CAPTURE(row.why);
    CHECK(who_is(open_rig, row.headers, row.query) == row.expected);
  }
}

TEST_CASE("gateway: a wrong credential in a header is a 401 with JSON, and names its scheme") {
  Rig rig(guarded());
  RawSocket socket(rig);
  const std::string head = socket.shake_hands("Authorization: Bearer wrong\r\n");
  CHECK(head.find("WWW-Authenticate: Bearer\r\n") != std::string::npos);
  CHECK(head.find("Content-Type: application/json\r\n") != std::string::npos);
  CHECK(head.find("wrong") == std::string::npos);
  CHECK(rig.connections() == 0);
}

TEST_CASE("gateway: the operator's paths are for administrators") {
  struct Row {
    std::string request;
    std::string headers;
    std::string expected;
    std::string why;
  };
  const std::string far = "X-Forwarded-For: 1.2.3.4\r\n";
  const std::string key = "X-API-Key: secret\r\n";
  const std::string token = "Authorization: Bearer ann\r\n";
  const Row rows[] = {
      {"POST /realtime/broadcast_all", "", "401", "the anonymous, where not all is public"},
      {"POST /realtime/broadcast_all", key, "202", "an administrator"},
      {"POST /realtime/broadcast_all", key + far, "202", "from afar"},
      {"POST /realtime/broadcast_all", token, "403", "another user"},
      {"POST /realtime/broadcast_all", "X-API-Key: other\r\n", "401", "an unknown key"},
      {"POST /realtime/broadcast_all", key + "Origin: https://evil.example\r\n", "403",
       "another site's page"},
      {"GET /metrics", "", "200", "loopback"},
      {"GET /metrics", far, "403", "the anonymous from afar"},
      {"GET /metrics", far + key, "200", "an administrator from afar"},
      {"GET /metrics", far + token, "403", "another user from afar"},
      {"GET /metrics", far + "X-API-Key: other\r\n", "401", "an unknown key from afar"},
      {"GET /healthz", far + "X-API-Key: other\r\n", "200", "health is for everybody"},
  };
  Rig rig(guarded());
  for (const Row& row : rows) {
    CAPTURE(row.why);
    CHECK(status_for(rig, row.request, row.headers) == row.expected);
  }
}

TEST_CASE("gateway: a connection that owes its credential is closed with 4401") {
  RigOptions options = guarded();
  options.gateway.auth_required = true;
  options.gateway.handshake_timeout = 300ms;
  Rig rig(options);
  RawSocket late(rig);
  late.shake_hands();
  CHECK(Json::parse(late.read_frame().payload).at("user").is_null());
  CHECK(code_of(late.read_close()) == 4401);
  RawSocket known(rig);
  known.shake_hands("Authorization: Bearer ann\r\n");
  CHECK(Json::parse(known.read_frame().payload).at("user").at("id") == "ann");
  // The other one was closed after this: it would be, too.
  RawSocket later(rig);
  later.shake_hands();
  later.read_frame();
  CHECK(code_of(later.read_close()) == 4401);
  known.send(masked(0x81, R"({"type":"ping"})"));
  CHECK(Json::parse(known.read_answer().payload).at("type") == "pong");
}

TEST_CASE("gateway: a credential's end is told once, and its leeway's end ends the connection") {
  using Time = CredentialClock::Time;
  using Step = CredentialClock::Step;
  const Time start{1'000s};
  CredentialClock clock;
  CHECK(clock.due() == Time::max());
  CHECK(clock.step(start + 1'000h) == Step::wait);
  clock.accept(start + 10s, 5s);
  CHECK(clock.due() == start + 10s);
  CHECK(clock.step(start + 9s) == Step::wait);
  CHECK(clock.step(start + 10s) == Step::tell);
  CHECK(clock.due() == start + 15s);
  CHECK(clock.step(start + 14s) == Step::wait);
  CHECK(clock.step(start + 15s) == Step::end);
  clock.accept(start + 20s, 5s);  // replaced in time
  CHECK(clock.step(start + 15s) == Step::wait);
  clock.accept(std::nullopt, 5s);
  CHECK(clock.due() == Time::max());
  clock.await(start + 10s);
  CHECK(clock.step(start + 9s) == Step::wait);
  CHECK(clock.step(start + 10s) == Step::end);
}
