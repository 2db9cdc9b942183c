#include <algorithm>

#include "support/running_bridge.hpp"

// The endpoint, who is connected, the heartbeat, and how connections end.
using namespace pgtide;
using namespace pgtide::test;

namespace {

const std::string endpoint = "/realtime/subscribe";

std::vector<std::string> ids_of(BridgeRealtime& realtime) {
  std::vector<std::string> ids;
  for (const ConnectionInfo& info : realtime.get_connections()) ids.push_back(info.id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::vector<std::string> sorted(std::vector<std::string> texts) {
  std::sort(texts.begin(), texts.end());
  return texts;
}

// The connection's record; fails the test where there is none.
ConnectionInfo info_of(BridgeRealtime& realtime, const std::string& id) {
  for (ConnectionInfo& info : realtime.get_connections())
    if (info.id == id) return info;
  FAIL("no connection ", id);
  return {};
}

std::string code_of(const HttpReply& reply) {
  return member(member(reply.body, "error"), "code");
}

void beat_fast(Config& config) {
  config.heartbeat.interval = std::chrono::milliseconds{100};
  config.heartbeat.timeout = std::chrono::seconds{2};  // a loaded machine answers late
}

}  // namespace

TEST_CASE("WebSocket Connection Endpoint: Successful connection") {
  RunningBridge bridge(blog());
  Subscriber first = bridge.connect();
  Subscriber second = bridge.connect();
  CHECK(first.answer().headers.at("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  CHECK(shape(first.greeting()) ==
        json(R"({"type":"connected","connection_id":"<uuid>","user":null,"expires_at":null,)"
             R"("heartbeat_interval":30,"server":"<server>"})"));
  CHECK(first.id() != second.id());
  CHECK(ids_of(bridge.realtime()) == sorted({first.id(), second.id()}));
}

TEST_CASE("WebSocket Connection Endpoint: Connection cleanup") {
  RunningBridge bridge(blog());
  Subscriber polite = bridge.connect({"posts.*", "comments.*"});
  Subscriber rude = bridge.connect({"posts.*"});
  CHECK(bridge.metric("pgtide_connections") == 2);
  CHECK(bridge.metric("pgtide_subscriptions") == 3);
  polite.close();
  CHECK(polite.closed() == 1000);
  rude.cut();
  eventually([&] { return bridge.realtime().get_connections().empty(); });
  CHECK(bridge.metric("pgtide_connections") == 0);
  CHECK(bridge.metric("pgtide_subscriptions") == 0);
}

TEST_CASE("Client Connection Tracking: Connection metadata storage") {
  RunningBridge bridge(blog());
  const auto before = std::chrono::system_clock::now();
  Subscriber client = bridge.connect({"posts.*", "posts.7"});
  const ConnectionInfo info = info_of(bridge.realtime(), client.id());
  CHECK(info.patterns == std::vector<std::string>{"posts.*", "posts.7"});
  CHECK(!info.user.has_value());
  CHECK(info.remote_address.starts_with("127.0.0.1:"));
  CHECK(info.connected_at >= before);
  CHECK(info.connected_at <= std::chrono::system_clock::now());
  info.close();
  CHECK(client.closed() == 4403);
  eventually([&] { return bridge.realtime().get_connections().empty(); });
  info.close();  // gone already: nothing happens
}

TEST_CASE("Client Connection Tracking: Connection listing") {
  RunningBridge bridge(blog());
  CHECK(bridge.realtime().get_connections().empty());
  std::vector<Subscriber> clients;
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(bridge.connect());
    ids.push_back(clients.back().id());
  }
  CHECK(ids_of(bridge.realtime()) == sorted(ids));
}

TEST_CASE("Connection Health Monitoring: Heartbeat ping") {
  RunningBridge bridge(blog(beat_fast));
  Subscriber client = bridge.connect();
  CHECK(member(client.greeting(), "heartbeat_interval") == "0.1");
  eventually([&] {
    client.next_within(std::chrono::milliseconds{20});
    return client.pings() >= 5;
  });
  CHECK(client.ask(R"({"type":"ping"})") == json(R"({"type":"pong"})"));
  CHECK(bridge.metric("pgtide_heartbeats_lost_total") == 0);
}

TEST_CASE("Connection Health Monitoring: Stale connection cleanup") {
  RunningBridge bridge(blog(beat_fast));
  Subscriber healthy = bridge.connect();
  Subscriber stale = bridge.connect({"posts.*"});
  stale.answers_pings = false;
  eventually(
      [&] {  // the healthy one answers meanwhile
        healthy.next_within(std::chrono::milliseconds{10});
        return ids_of(bridge.realtime()) == std::vector<std::string>{healthy.id()};
      },
      patience);
  CHECK(stale.closed() == 4408);
  CHECK(bridge.metric("pgtide_subscriptions") == 0);
  CHECK(bridge.metric("pgtide_heartbeats_lost_total") == 1);
}

TEST_CASE("endpoint: position comes with the heartbeat, when it moved and nothing was sent") {
  RunningBridge bridge(blog(beat_fast));
  Subscriber client = bridge.connect({"comments.*"});
  auto quiet_since = client.pings();
  eventually([&] {  // what was written before the bridge started may still move it
    if (client.next_within(std::chrono::milliseconds{20})) quiet_since = client.pings();
    return client.pings() >= quiet_since + 3;
  });
  bridge.run("insert into posts values (1, 'not for this client')");
  const std::string position = client.next();
  CHECK(shape(position) == json(R"({"type":"position","cursor":"<cursor>"})"));
  const int pings = client.pings();
  eventually([&] {  // it moved once, so it is told once
    CHECK(!client.next_within(std::chrono::milliseconds{20}).has_value());
    return client.pings() >= pings + 3;
  });
}

TEST_CASE("endpoint: ping in JSON is answered with pong, and carries the id") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect();
  client.send(R"({"type":"ping","id":1.50})");
  CHECK(client.next() == R"({"type":"pong","id":1.50})");
}

TEST_CASE("endpoint: what is no upgrade gets an HTTP answer") {
  RunningBridge bridge(blog());
  struct Case {
    std::string request;
    int status;
    const char* why;
  };
  const Case cases[] = {{"GET " + endpoint, 426, "a plain GET on the endpoint"},
                        {"GET /realtime", 404, "an unknown path"},
                        {"GET /", 404, "there is a page under `pgtide demo` only"},
                        {"POST " + endpoint, 405, "the endpoint is read"}};
  for (const Case& one : cases) {
    CAPTURE(one.why);
    CHECK(http(bridge.address(), one.request).status == one.status);
  }
  CHECK(WireClient::upgrade(bridge.address(), "/realtime/other").status == 404);
}

TEST_CASE("endpoint: Origin and Host decide who may upgrade") {
  RunningBridge bridge(
      blog([](Config& config) { config.server.allowed_origins = {"https://app.example.com"}; }));
  struct Case {
    std::vector<std::string> headers;
    int status;
    const char* why;
  };
  const Case cases[] = {
      {{}, 101, "no browser"},
      {{"Origin: http://localhost:3000"}, 403, "the same host, which is not listed"},
      {{"Origin: https://app.example.com"}, 101, "listed"},
      {{"Origin: https://evil.example.com"}, 403, "another site's page"},
      {{"Origin: null"}, 403, "a sandboxed page"},
      {{"Host: evil.example.com"}, 403, "DNS rebinding"},
      {{"Host: app.example.com", "Origin: https://app.example.com"}, 101, "a listed host"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.why);
    CHECK(WireClient::upgrade(bridge.address(), endpoint, one.headers).status == one.status);
  }
}

TEST_CASE("endpoint: no extension is negotiated, and the subprotocol pgtide is answered") {
  RunningBridge bridge(blog());
  const HttpReply reply =
      WireClient::upgrade(bridge.address(), endpoint,
                          {"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
                           "Sec-WebSocket-Protocol: other, pgtide"});
  CHECK(reply.status == 101);
  CHECK(reply.headers.count("sec-websocket-extensions") == 0);
  CHECK(reply.headers.at("sec-websocket-protocol") == "pgtide");
}

TEST_CASE("endpoint: a credential is invalid_token, since this version has none configured") {
  RunningBridge bridge(blog());
  for (const char* header : {"Authorization: Bearer abc.def.ghi", "X-API-Key: secret"}) {
    CAPTURE(header);
    const HttpReply reply = WireClient::upgrade(bridge.address(), endpoint, {header});
    CHECK(reply.status == 401);
    CHECK(reply.headers.at("content-type") == "application/json");
    CHECK(code_of(reply) == "invalid_token");
  }
  // A browser cannot read a 401: it is told in the stream.
  WireClient browser(bridge.address(), endpoint,
                     {"Sec-WebSocket-Protocol: pgtide, pgtide.bearer.abc.def.ghi"});
  CHECK(browser.answer().headers.at("sec-websocket-protocol") == "pgtide");
  CHECK(shape(browser.next()) ==
        json(R"({"type":"error","code":"invalid_token","message":"<text>"})"));
  CHECK(browser.closed() == 4401);
  CHECK(bridge.realtime().get_connections().empty());
}

TEST_CASE("endpoint: other schemes of Authorization and ?token= leave a connection anonymous") {
  RunningBridge bridge(blog());
  Subscriber basic(bridge.address(), endpoint, {"Authorization: Basic dXNlcjpwYXNz"});
  CHECK(member(basic.greeting(), "user") == "null");
  Subscriber query(bridge.address(), endpoint + "?token=abc.def.ghi");
  CHECK(member(query.greeting(), "user") == "null");
}

TEST_CASE("endpoint: past limits.connections an upgrade is 503 with Retry-After") {
  RunningBridge bridge(blog([](Config& config) { config.limits.connections = 2; }));
  Subscriber first = bridge.connect();
  Subscriber second = bridge.connect();
  const HttpReply refused = WireClient::upgrade(bridge.address(), endpoint);
  CHECK(refused.status == 503);
  CHECK(refused.headers.count("retry-after") == 1);
  first.cut();
  eventually([&] { return WireClient::upgrade(bridge.address(), endpoint).status == 101; });
}

TEST_CASE("endpoint: past limits.connections_per_address an upgrade is refused") {
  RunningBridge bridge(blog([](Config& config) { config.limits.connections_per_address = 1; }));
  Subscriber first = bridge.connect();
  const HttpReply refused = WireClient::upgrade(bridge.address(), endpoint);
  CHECK(refused.status == 503);
  CHECK(refused.headers.count("retry-after") == 1);
}

TEST_CASE("endpoint: a handshake that does not come is given up after limits.handshake_timeout") {
  RunningBridge bridge(blog(
      [](Config& config) { config.limits.handshake_timeout = std::chrono::milliseconds{200}; }));
  WireSocket silent(bridge.address());
  silent.write("GET /realtime/subscribe HTTP/1.1\r\nHost: loc");
  std::string ignored;
  eventually([&] {
    silent.read(ignored, std::chrono::milliseconds{50});
    return silent.ended();
  });
}

TEST_CASE("close codes: what breaks the protocol is closed with its own code") {
  RunningBridge bridge(blog([](Config& config) { config.limits.message_bytes = 1000; }));
  struct Case {
    unsigned opcode;
    std::string payload;
    bool masked;
    unsigned code;
    const char* why;
  };
  const Case cases[] = {
      {2, "{}", true, 1003, "a binary frame"},
      {1, "{\"id\":\"\xc3\x28\"}", true, 1007, "text that is no UTF-8"},
      {1, std::string(1001, ' '), true, 1009, "larger than limits.message_bytes"},
      {1, "{}", false, 1002, "a client must mask (RFC 6455, 5.1)"},
      {3, "{}", true, 1002, "a reserved opcode"},
      {9, std::string(126, 'x'), true, 1002, "a control frame of more than 125 bytes"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.why);
    Subscriber client = bridge.connect();
    client.send_frame(one.opcode, one.payload, one.masked);
    CHECK(client.closed() == one.code);
  }
  eventually([&] { return bridge.realtime().get_connections().empty(); });
}

TEST_CASE("close codes: 4429 after a hundred requests in a row were refused for their rate") {
  RunningBridge bridge(blog([](Config& config) {
    config.limits.requests_per_second = 1;
    config.limits.frames_per_second = 10'000;
  }));
  Subscriber client = bridge.connect({"posts.*"});
  for (int i = 0; i < 100; ++i) client.send(R"({"type":"subscribe","pattern":"posts.1"})");
  CHECK(client.closed() == 4429);
}

TEST_CASE("close codes: 1001 for everyone when the bridge drains, after what is queued") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.*"});
  Subscriber idle = bridge.connect();
  bridge.run("insert into posts select n, 'title', null from generate_series(1, 500) n");
  CHECK(member(client.next(), "record_id") == "1");  // the batch is under way
  std::thread stopping([&] { bridge.bridge().stop(); });
  for (int n = 2; n <= 500; ++n) REQUIRE(member(client.next(), "record_id") == std::to_string(n));
  CHECK(client.closed() == 1001);
  CHECK(idle.closed() == 1001);
  stopping.join();
}
