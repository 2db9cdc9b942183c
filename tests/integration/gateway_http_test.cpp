#include "gateway_rig.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

std::string request(const std::string& line, const std::string& headers = "",
                    const std::string& body = "") {
  std::string text = line + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + headers;
  if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + body;
}
std::string post(const std::string& path, const std::string& body,
                 const std::string& headers = "Content-Type: application/json\r\n") {
  return request("POST " + path, headers, body);
}
unsigned status_of(const std::string& head) {
  return head.size() < 12 ? 0 : static_cast<unsigned>(std::stoul(head.substr(9, 3)));
}
// Status, and the error's code where there is one: "403 loopback_only".
std::string ask(Rig& rig, const std::string& text) {
  RawSocket socket(rig);
  socket.send(text);
  ::shutdown(socket.native(), SHUT_WR);
  const auto answer = socket.read_to_end();
  const auto body = answer.find("\r\n\r\n");
  if (body == std::string::npos) return "nothing";
  const auto json = Json::parse(answer.substr(body + 4), nullptr, false);
  auto seen = std::to_string(status_of(answer));
  if (json.is_object() && json.contains("error")) {
    CHECK(answer.find("Content-Type: application/json\r\n") != std::string::npos);
    seen += " " + json["error"]["code"].get<std::string>();
  }
  return seen;
}

}  // namespace

TEST_CASE("gateway: each path answers to its methods, with the contract's status") {
  Rig rig;
  struct Row {
    std::string text;
    std::string expected;
    std::string why;
  };
  const std::string good = R"({"collection":"notifications","data":{"a":1}})";
  const auto port = std::to_string(rig.acceptor->port());
  const Row table[] = {
      {request("GET /healthz"), "200", "the process is up"},
      {request("GET /healthz?x=1"), "200", "a query does not matter"},
      {request("POST /healthz"), "405 method_not_allowed", "wrong method"},
      {request("GET /readyz"), "503", "not ready"},
      {request("GET /metrics"), "200", "loopback"},
      {request("GET /metrics", "X-Forwarded-For: 1.2.3.4\r\n"), "403 loopback_only", "a proxy"},
      {request("GET /metrics", "Forwarded: for=1.2.3.4\r\n"), "403 loopback_only", "a proxy"},
      {request("GET /"), "404 not_found", "no page"},
      {request("GET /nothing"), "404 not_found", "unknown path"},
      {request("GET /realtime/subscribe"), "426 upgrade_required", "no upgrade"},
      {request("POST /realtime/subscribe"), "405 method_not_allowed", "wrong method"},
      {request("GET /realtime/broadcast"), "405 method_not_allowed", "wrong method"},
      {post("/realtime/broadcast", good), "202", "committed"},
      {post("/realtime/broadcast_all", R"({"data":"x"})"), "202", "committed"},
      {post("/realtime/broadcast", good, "Content-Type: application/JSON; charset=utf-8\r\n"),
       "202", "with parameters"},
      {post("/realtime/broadcast", good, "Content-Type: text/plain\r\n"),
       "415 unsupported_media_type", "what a form could send"},
      {post("/realtime/broadcast", good, ""), "415 unsupported_media_type", "no type"},
      {post("/realtime/broadcast", good,
            "Content-Type: application/json\r\nOrigin: http://evil.example\r\n"),
       "403 forbidden_origin", "another site's page"},
      {post("/realtime/broadcast", good,
            "Content-Type: application/json\r\nOrigin: http://127.0.0.1:3000\r\n"),
       "202", "the same host, any port"},
      {post("/realtime/broadcast", good,
            "Content-Type: application/json\r\nX-Forwarded-Host: a\r\n"),
       "401 unauthenticated", "a proxy"},
      {post("/realtime/broadcast", good,
            "Content-Type: application/json\r\nAuthorization: Bearer x\r\n"),
       "401 invalid_token", "no token is known"},
      {"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403 forbidden_host",
       "DNS rebinding"},
      {"GET /healthz HTTP/1.1\r\nHost: localhost:" + port + "\r\n\r\n", "200", "a loopback name"},
      {"GET /healthz HTTP/1.1\r\nHost: [::1]:" + port + "\r\n\r\n", "200", "a loopback name"},
      {"GET /healthz HTTP/1.1\r\n\r\n", "400 invalid_request", "no Host"},
      {"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", "400 invalid_request",
       "two of them"},
      {"GET /healthz HTTP/1.0\r\n\r\n", "200", "HTTP/1.0 has no Host"},
      {"nonsense\r\n\r\n", "400 invalid_request", "no HTTP"},
      {"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n",
       "431 headers_too_large", "past 16 KiB"},
  };
  for (const auto& row : table) {
    CAPTURE(row.why);
    CAPTURE(row.text.substr(0, 200));
    CHECK(ask(rig, row.text) == row.expected);
  }
}

TEST_CASE("gateway: a broadcast's shape is checked, and the fault names the field") {
  Rig rig;
  struct Row {
    std::string body;
    bool to_all;
    unsigned status;
    std::string part;  // of the message
  };
  const std::string mebibyte(1'048'574, 'x');
  const Row table[] = {
      {R"({"collection":"notifications","data":1.0e400})", false, 202, ""},
      {R"({"collection":"notifications","data":)", false, 400, "not JSON"},
      {R"([1])", false, 400, "object"},
      {R"({"data":1})", false, 400, "\"collection\" is missing"},
      {R"({"collection":"notifications"})", false, 400, "\"data\" is missing"},
      {R"({"collection":7,"data":1})", false, 400, "\"collection\" must be a string"},
      {R"({"collection":"a-b","data":1})", false, 400, "\"collection\" is \"a-b\""},
      {R"({"collection":"a","data":1,"x":2})", false, 400, "unknown field \"x\""},
      {R"({"collection":"a","data":1,"data":2})", false, 400, "\"data\" is there twice"},
      {R"({"collection":"a","data":1})", true, 400, "unknown field \"collection\""},
      {R"({"data":")" + mebibyte + "\"}", true, 202, ""},
      {R"({"data":"x)" + mebibyte + "\"}", true, 413, "larger than 1 MiB"},
      {std::string(1'200'000, ' '), true, 413, "over 1 MiB"},
  };
  for (const auto& row : table) {
    CAPTURE(row.body.substr(0, 100));
    const auto path = row.to_all ? "/realtime/broadcast_all" : "/realtime/broadcast";
    const auto answer = http_request("POST", rig.http(path), row.body);
    REQUIRE_MESSAGE(answer.ok(), (answer.ok() ? "" : answer.error().to_string()));
    CHECK(answer->status == row.status);
    if (row.status == 202) continue;
    const auto message = Json::parse(answer->body)["error"]["message"].get<std::string>();
    CHECK_MESSAGE(message.find(row.part) != std::string::npos, message);
  }
}

TEST_CASE("gateway: a broadcast's data reaches the operator as it was written") {
  Rig rig;
  rig.op.answer.warning = "no rule lists 'x'";
  const auto answer = http_request("POST", rig.http("/realtime/broadcast"),
                                   R"({"data" : {"n":12345678901234567890.10} ,"collection":"x"})");
  REQUIRE(answer.ok());
  CHECK(answer->status == 202);
  CHECK(Json::parse(answer->body) == Json{{"warning", "no rule lists 'x'"}});
  const std::lock_guard lock(rig.op.mutex);
  CHECK(rig.op.requests == std::vector<std::pair<std::string, std::string>>{
                               {"x", R"({"n":12345678901234567890.10})"}});
}

TEST_CASE("gateway: a broadcast that was not committed is answered by its fault's kind") {
  const std::pair<ErrorKind, unsigned> table[] = {{ErrorKind::invalid, 400},
                                                  {ErrorKind::too_large, 413},
                                                  {ErrorKind::unavailable, 503},
                                                  {ErrorKind::internal, 500}};
  for (const auto& [kind, status] : table) {
    Rig rig;
    rig.op.answer.result = Error{kind, "because"};
    const auto answer = http_request("POST", rig.http("/realtime/broadcast_all"), R"({"data":1})");
    REQUIRE(answer.ok());
    CHECK(answer->status == status);
  }
}

TEST_CASE("gateway: a page rebound to loopback has no rights there, whatever address listens") {
  RigOptions options;
  options.gateway.loopback_listener = false;
  Rig rig(options);
  const std::string host = "Host: rebound.example\r\n";
  CHECK(ask(rig, "GET /metrics HTTP/1.1\r\n" + host + "\r\n") == "403 loopback_only");
  CHECK(ask(rig, "POST /realtime/broadcast_all HTTP/1.1\r\n" + host +
                     "Content-Type: application/json\r\nContent-Length: 10\r\n\r\n"
                     "{\"data\":1}") == "401 unauthenticated");
  CHECK(ask(rig, "GET /healthz HTTP/1.1\r\n" + host + "\r\n") == "200");
}

TEST_CASE("gateway: one connection takes one request after the other") {
  Rig rig;
  RawSocket socket(rig);
  socket.send(request("GET /healthz") + request("HEAD /healthz") +
              post("/realtime/broadcast_all", R"({"data":1})") + request("GET /nothing"));
  const unsigned expected[] = {200, 200, 202, 404};
  for (const auto& status : expected) {
    const auto head = socket.read_head();
    CHECK(status_of(head) == status);
    const auto length = std::stoul(head.substr(head.find("Content-Length: ") + 16));
    if (&status != &expected[1]) socket.read_bytes(length);
  }
}

TEST_CASE("gateway: a client that asks before it sends a body is told to go on") {
  Rig rig;
  RawSocket socket(rig);
  socket.send(
      "POST /realtime/broadcast_all HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
      "application/json\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n");
  CHECK(status_of(socket.read_head()) == 100);
  socket.send(R"({"data":1})");
  CHECK(status_of(socket.read_head()) == 202);
}

TEST_CASE("gateway: what is wrong is told to loopback, and not past a proxy") {
  Rig rig;
  const auto near = http_request("GET", rig.http("/readyz"));
  REQUIRE(near.ok());
  CHECK(Json::parse(near->body) == Json{{"ready", false}, {"database", "away"}});
  RawSocket socket(rig);
  socket.send(request("GET /readyz", "X-Forwarded-For: 192.0.2.1\r\nConnection: close\r\n"));
  const auto far = socket.read_to_end();
  CHECK(status_of(far) == 503);
  CHECK(far.ends_with("{\"ready\":false}\n"));
}

TEST_CASE("gateway: the page may talk to its own host's socket and load nothing") {
  Rig rig;
  rig.op.page_text = "<!doctype html>";
  RawSocket socket(rig);
  socket.send(request("GET /", "Connection: close\r\n"));
  const auto answer = socket.read_to_end();
  CHECK(status_of(answer) == 200);
  CHECK(answer.find("Content-Type: text/html; charset=utf-8\r\n") != std::string::npos);
  CHECK(answer.find("Content-Security-Policy: default-src 'none'; script-src 'unsafe-inline'; "
                    "style-src 'unsafe-inline'; img-src data:; connect-src 'self' "
                    "ws://127.0.0.1 wss://127.0.0.1; base-uri 'none'; form-action 'none'; "
                    "frame-ancestors 'none'\r\n") != std::string::npos);
  CHECK(answer.ends_with("\r\n\r\n<!doctype html>"));
}

TEST_CASE("gateway: who does not finish a request in time is cut off") {
  RigOptions options;
  options.gateway.handshake_timeout = 100ms;
  Rig rig(options);
  RawSocket silent(rig);
  RawSocket slow(rig);
  slow.send("GET /healthz HTTP/1.1\r\nHost:");
  CHECK(silent.read_to_end().empty());
  CHECK(slow.read_to_end().empty());
}

TEST_CASE("gateway: a head has 128 lines at most, and those behind it are not counted") {
  Rig rig;
  const auto lines = [](int count) {
    std::string text;
    for (int n = 0; n < count; ++n) text += "X:\r\n";
    return text;
  };
  const std::string most = request("HEAD /healthz", lines(126));  // and the first two
  RawSocket socket(rig);
  socket.send(most + most + request("HEAD /healthz", "Connection: close\r\n"));
  for (int n = 0; n < 3; ++n) CHECK(status_of(socket.read_head()) == 200);
  CHECK(socket.read_to_end().empty());
  CHECK(ask(rig, request("GET /healthz", lines(127))) == "431 headers_too_large");
  RawSocket slow(rig);
  for (const char c : most) slow.send({&c, 1});
  CHECK(status_of(slow.read_head()) == 200);
  RawSocket begun(rig);  // it is not waited for the end of it
  begun.send("HEAD /healthz HTTP/1.1\r\n" + lines(200));
  CHECK(status_of(begun.read_head()) == 431);
}

TEST_CASE("gateway: of what comes after the last answer a mebibyte is read, no more") {
  Rig rig;
  RawSocket socket(rig);
  socket.send(request("POST /nowhere", "Content-Length: 1000000\r\n"));
  CHECK(status_of(socket.read_head()) == 404);
  const std::string much(1'048'576, 'x');
  int mebibytes = 0;
  while (mebibytes < 64 && socket.try_send(much)) ++mebibytes;
  CHECK(mebibytes < 32);  // with what the systems of both have taken
}

TEST_CASE("gateway: an HTTP connection has so many requests, and so long a life") {
  struct Row {
    std::chrono::milliseconds life;
    std::size_t requests;
    int answers;
    const char* why;
  };
  const Row table[] = {{1h, 3, 3, "so many"}, {1h, 1, 1, "one"}, {0ms, 1'000, 1, "no time left"}};
  for (const auto& row : table) {
    CAPTURE(row.why);
    RigOptions options;
    options.gateway.http_life = row.life;
    options.gateway.http_requests = row.requests;
    Rig rig(options);
    RawSocket socket(rig);
    for (int n = 1; n < row.answers; ++n) {
      socket.send(request("HEAD /healthz"));
      CHECK(socket.read_head().find("Connection: close") == std::string::npos);
    }
    socket.send(request("HEAD /healthz"));
    const auto last = socket.read_to_end();
    CHECK(status_of(last) == 200);
    CHECK(last.find("Connection: close\r\n") != std::string::npos);
  }
}

TEST_CASE("gateway: where room is made the connection that has waited longest goes first") {
  Rig rig;
  const auto ask_on = [](RawSocket& socket) {
    socket.send(request("HEAD /healthz", "X-Forwarded-For: 192.0.2.1\r\n"));
    return status_of(socket.read_head());
  };
  RawSocket first(rig);
  RawSocket second(rig);
  RawSocket third(rig);
  RawSocket operators(rig);
  operators.send(request("HEAD /healthz"));  // from loopback
  CHECK(status_of(operators.read_head()) == 200);
  for (RawSocket* socket : {&first, &second, &third, &first}) CHECK(ask_on(*socket) == 200);
  auto client = rig.connect();
  rig.on_shard([&] { rig.gateway->end_resting(1); });
  CHECK(second.read_to_end().empty());
  CHECK(ask_on(third) == 200);
  CHECK(ask_on(first) == 200);
  rig.on_shard([&] { rig.gateway->end_resting(1'000); });
  CHECK(first.read_to_end().empty());
  CHECK(third.read_to_end().empty());
  operators.send(request("HEAD /healthz"));
  CHECK(status_of(operators.read_head()) == 200);
  CHECK(next_type(client) == "connected");
  say(client, R"({"type":"ping"})");
  CHECK(next_type(client) == "pong");
}

TEST_CASE("gateway: a handshake is checked before the upgrade") {
  struct Row {
    std::string headers;
    unsigned status;
    std::string why;
  };
  const Row table[] = {
      {"", 101, "anonymous"},
      {"Authorization: Bearer abc\r\n", 401, "no token is known"},
      {"authorization: bearer abc\r\n", 401, "schemes have no case"},
      {"Authorization: Basic abc\r\n", 101, "another scheme is a proxy's"},
      {"X-API-Key: abc\r\n", 401, "no key is known"},
      {"Origin: http://127.0.0.1:5173\r\n", 403, "the same host, not listed"},
      {"Origin: https://app.example\r\n", 101, "listed"},
      {"Origin: http://app.example\r\n", 403, "listed with another scheme"},
      {"Origin: https://evil.example\r\n", 403, "not listed"},
      {"Origin: null\r\n", 403, "a sandboxed page"},
      {"Origin: http://127.0.0.1\r\nOrigin: https://evil.example\r\n", 403, "two of them"},
      {"Sec-WebSocket-Extensions: permessage-deflate\r\n", 101, "declined, not refused"},
  };
  RigOptions options;
  options.gateway.allowed_origins = {"https://app.example"};
  Rig rig(options);
  for (const auto& row : table) {
    CAPTURE(row.why);
    RawSocket socket(rig);
    const auto head = socket.shake_hands(row.headers);
    CHECK(status_of(head) == row.status);
    CHECK(head.find("Sec-WebSocket-Extensions") == std::string::npos);
  }
  eventually([&] { return rig.op.admitted == rig.op.released; });
}

TEST_CASE("gateway: any origin is let in where '*' is allowed, and by any name") {
  RigOptions options;
  options.gateway.allowed_origins = {"*"};
  Rig rig(options);
  RawSocket socket(rig);
  CHECK(status_of(socket.shake_hands("Origin: https://a.example\r\n", "/realtime/subscribe",
                                     "b.example")) == 101);
}

TEST_CASE("gateway: a socket on loopback is not opened under a foreign name") {
  Rig rig;
  RawSocket socket(rig);
  CHECK(status_of(socket.shake_hands("", "/realtime/subscribe", "rebound.example")) == 403);
}

TEST_CASE("gateway: the subprotocol pgtide is answered, and no other") {
  Rig rig;
  const std::pair<const char*, bool> table[] = {
      {"", false},
      {"Sec-WebSocket-Protocol: chat, pgtide\r\n", true},
      {"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: pgtide\r\n", true},
      {"Sec-WebSocket-Protocol: chat\r\n", false}};
  for (const auto& [headers, answered] : table) {
    RawSocket socket(rig);
    const auto head = socket.shake_hands(headers);
    CHECK(status_of(head) == 101);
    CHECK((head.find("Sec-WebSocket-Protocol: pgtide\r\n") != std::string::npos) == answered);
  }
}

TEST_CASE("gateway: a token in a subprotocol is refused after the upgrade, with 4401") {
  Rig rig;
  RawSocket socket(rig);
  const auto head = socket.shake_hands("Sec-WebSocket-Protocol: pgtide, pgtide.bearer.abc.def\r\n");
  CHECK(status_of(head) == 101);
  CHECK(head.find("Sec-WebSocket-Protocol: pgtide\r\n") != std::string::npos);
  const auto error = Json::parse(socket.read_frame().payload);
  CHECK(error.at("type") == "error");
  CHECK(error.at("code") == "invalid_token");
  const auto close = socket.read_frame();
  CHECK(code_of(close) == 4401);
  socket.send(masked(0x88, code_bytes(4401)));
  eventually_equals([&] { return rig.op.released.load(); }, 1);
  CHECK(rig.counters().connections_opened == 0);
}

TEST_CASE("gateway: a token in the query is not looked at") {
  Rig rig;
  RawSocket socket(rig);
  CHECK(status_of(socket.shake_hands("", "/realtime/subscribe?token=abc")) == 101);
  CHECK(Json::parse(socket.read_frame().payload).at("type") == "connected");
}

TEST_CASE("gateway: past the limits a handshake is 503, and says when to come again") {
  Rig rig;
  for (const auto admission :
       {Operator::Admission::too_many, Operator::Admission::too_many_from_address,
        Operator::Admission::short_of_memory, Operator::Admission::starting}) {
    rig.op.admission = admission;
    RawSocket socket(rig);
    const auto head = socket.shake_hands();
    CHECK(status_of(head) == 503);
    CHECK(head.find("Retry-After: 5\r\n") != std::string::npos);
  }
  CHECK(rig.op.released == 0);
}

TEST_CASE("gateway: the operator is told the peer's address, without a port") {
  Rig rig;
  auto client = rig.connect();
  CHECK(rig.op.last_address == "127.0.0.1");
}

TEST_CASE("gateway: a handshake of another version takes nobody's place") {
  Rig rig;
  RawSocket socket(rig);
  socket.send(
      "GET /realtime/subscribe HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      "Sec-WebSocket-Version: 12\r\n\r\n");
  CHECK(status_of(socket.read_head()) == 426);
  CHECK(rig.op.admitted == 0);
  CHECK(rig.counters().handshakes_refused == 1);
}

TEST_CASE("gateway: frames sent right behind the handshake are not lost") {
  Rig rig;
  RawSocket socket(rig);
  socket.send(
      "GET /realtime/subscribe HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      "Sec-WebSocket-Version: 13\r\n\r\n" +
      masked(0x81, R"({"type":"ping"})"));
  CHECK(status_of(socket.read_head()) == 101);
  CHECK(Json::parse(socket.read_frame().payload).at("type") == "connected");
  CHECK(Json::parse(socket.read_frame().payload).at("type") == "pong");
}

TEST_CASE("gateway: a client is told why it was refused") {
  Rig rig;
  const auto gone = Client::connect("ws://127.0.0.1:1/realtime/subscribe");
  REQUIRE(!gone.ok());
  CHECK(gone.error().kind == ErrorKind::unavailable);
  const auto wrong = Client::connect("http://127.0.0.1/");
  REQUIRE(!wrong.ok());
  CHECK(wrong.error().kind == ErrorKind::invalid);
  const auto lost = Client::connect("ws://" + rig.address() + "/elsewhere");
  REQUIRE(!lost.ok());
  CHECK(lost.error() ==
        Error{ErrorKind::not_found, "nothing is here", "ws://" + rig.address() + "/elsewhere"});
  rig.op.admission = Operator::Admission::too_many;
  const auto full = Client::connect(rig.url());
  REQUIRE(!full.ok());
  CHECK(full.error().kind == ErrorKind::unavailable);
}

TEST_CASE("gateway: a client's wait ends with its time, or when it is interrupted") {
  Rig rig;
  auto client = rig.connect();
  next(client);
  const auto nothing = client.receive(20ms);
  REQUIRE(nothing.ok());
  CHECK(!nothing->has_value());
  std::thread other([&] { client.interrupt(); });
  const auto woken = client.receive(60s);
  other.join();
  REQUIRE(woken.ok());
  CHECK(!woken->has_value());
  say(client, R"({"type":"ping"})");
  CHECK(next_type(client) == "pong");
  client.close();
  eventually_equals([&] { return rig.connections(); }, 0U);
}
