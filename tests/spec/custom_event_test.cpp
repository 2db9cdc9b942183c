#include <cstdlib>

#include "gateway/client.hpp"
#include "support/program.hpp"
#include "support/running_bridge.hpp"

// Custom events, in the four ways.
using namespace pgtide;
using namespace pgtide::test;

namespace {

using Frames = std::vector<std::string>;

const std::vector<std::string> json_type{"Content-Type: application/json"};

std::string custom(const std::string& collection, const std::string& sent) {
  return json(R"({"type":"custom_event","collection":)" + collection + R"(,"data":)" + sent +
              R"(,"timestamp":"<time>","cursor":"<cursor>"})");
}

HttpReply post(const RunningBridge& bridge, const std::string& path, const std::string& body) {
  return http(bridge.address(), "POST " + path, json_type, body);
}

ProgramEnd broadcast_by_program(const RunningBridge& bridge, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "broadcast");
  return run_program(arguments, {.environment = {"DATABASE_URL=" + bridge.database.url(),
                                                 "PGTIDE_RULES=" + bridge.rules_path()}});
}

// A string of JSON that is so many bytes long, quotes included.
std::string text_of(std::size_t bytes) {
  return "\"" + std::string(bytes - 2, 'x') + "\"";
}

}  // namespace

TEST_CASE("Custom Event Broadcasting: Broadcast custom event to collection subscribers") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"notifications.*"});
  Subscriber other = bridge.connect({"posts.*", "notifications.Hello"});
  Realtime realtime(bridge.database.url());
  const std::string hello = R"({"message":"Hello"})";
  const Frames expected(1, custom(R"("notifications")", hello));

  bridge.run("select pgtide_api.broadcast('notifications', '" + hello + "')");
  CHECK(bridge.heard(client) == expected);

  CHECK(realtime.broadcast("notifications", hello).ok());
  CHECK(bridge.heard(client) == expected);
  CHECK(bridge.realtime().broadcast("notifications", hello).ok());
  CHECK(bridge.heard(client) == expected);

  const HttpReply reply =
      post(bridge, "/realtime/broadcast", R"({"collection":"notifications","data":)" + hello + "}");
  CHECK(reply.status == 202);
  CHECK(bridge.heard(client) == expected);

  const ProgramEnd end = broadcast_by_program(bridge, {"notifications", hello});
  CHECK(end.code == 0);
  CHECK(end.errors == "");
  CHECK(bridge.heard(client) == expected);

  CHECK(bridge.heard(other) == Frames{});
}

TEST_CASE("Custom Event Broadcasting: Broadcast to all clients") {
  RunningBridge bridge(blog());
  Subscriber idle = bridge.connect();
  Subscriber subscribed = bridge.connect({"posts.*", "*"});
  Realtime realtime(bridge.database.url());
  const std::string notice = R"({"announcement":"System maintenance"})";

  bridge.run("select pgtide_api.broadcast_all('" + notice + "')");
  CHECK(realtime.broadcast_all(notice).ok());
  CHECK(post(bridge, "/realtime/broadcast_all", R"({"data":)" + notice + "}").status == 202);
  CHECK(broadcast_by_program(bridge, {"--all", notice}).code == 0);

  const Frames expected(4, custom("null", notice));
  CHECK(bridge.heard(idle) == expected);
  CHECK(bridge.heard(subscribed) == expected);
}

TEST_CASE("custom events: they come in order with the record events of their transaction") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.*", "notifications.*"});
  bridge.run(
      "begin; insert into posts values (1, 'a'); "
      "select pgtide_api.broadcast('notifications', '1'); insert into posts values (2, 'a'); "
      "select pgtide_api.broadcast_all('2'); commit");
  Frames types;
  for (const std::string& frame : bridge.raw_heard(client))
    types.push_back(member(frame, "type") + " " + member(frame, "collection"));
  CHECK(types == Frames{"record_event posts", "custom_event notifications", "record_event posts",
                        "custom_event null"});
}

TEST_CASE("custom events: what is rolled back sends nothing") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"notifications.*"});
  bridge.run("begin; select pgtide_api.broadcast('notifications', '1'); rollback");
  CHECK(bridge.heard(client) == Frames{});
}

TEST_CASE("custom events: any JSON value is data, its text untouched") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"notifications.*"});
  for (const char* text : {"null", "[1.0, 2]", "12345678901234567890123", R"("\u00e9")", "{}"}) {
    bridge.run("select pgtide_api.broadcast('notifications', '" + std::string(text) + "')");
    const std::string frame = client.next();
    CHECK(frame.find("\"data\":" + std::string(text) + ",") != std::string::npos);
  }
}

TEST_CASE("custom events: subscribers of * get them, and events: [custom] chooses them") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect();
  CHECK(client.ask(R"({"type":"subscribe","pattern":"*","events":["custom"]})") ==
        json(R"({"type":"subscribed","pattern":"*","cursor":"<cursor>"})"));
  bridge.run("insert into posts values (1, 'a')");
  bridge.run("select pgtide_api.broadcast('notifications', '1')");
  CHECK(bridge.heard(client) == Frames{custom(R"("notifications")", "1")});
}

TEST_CASE("custom events: an unlisted name is committed, reaches only *, and earns a warning") {
  RunningBridge bridge(blog());
  Subscriber all = bridge.connect({"*"});
  Subscriber some = bridge.connect({"notifications.*"});
  const HttpReply reply =
      post(bridge, "/realtime/broadcast", R"({"collection":"nowhere","data":1})");
  CHECK(reply.status == 202);
  CHECK(reply.body.find("nowhere") != std::string::npos);
  const ProgramEnd end = broadcast_by_program(bridge, {"nowhere", "2"});
  CHECK(end.code == 0);
  CHECK(end.errors.find("warning: no rule lists 'nowhere'") != std::string::npos);
  CHECK(bridge.heard(all) == Frames{custom(R"("nowhere")", "1"), custom(R"("nowhere")", "2")});
  CHECK(bridge.heard(some) == Frames{});
  CHECK(bridge.metric("pgtide_events_unlisted_total") == 2);
}

TEST_CASE("custom events: a name that is none, and what is no JSON, are refused on all four ways") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"*"});
  for (const char* name : {"", "no name", "1st", "posts.1", "*"}) {
    CAPTURE(name);
    const std::string text = name;
    CHECK(bridge.writer.attempt("select pgtide_api.broadcast($1, '1')", {text}).sqlstate ==
          "22023");
    const auto sent = bridge.realtime().broadcast(text, "1");
    REQUIRE(!sent.ok());
    CHECK(sent.error().kind == ErrorKind::invalid);
    CHECK(post(bridge, "/realtime/broadcast", R"({"collection":")" + text + R"(","data":1})")
              .status == 400);
  }
  CHECK(broadcast_by_program(bridge, {"no name", "1"}).code != 0);
  CHECK(bridge.realtime().broadcast("notifications", "{").error().kind == ErrorKind::invalid);
  CHECK(post(bridge, "/realtime/broadcast", R"({"collection":"notifications","data":{)").status ==
        400);
  CHECK(broadcast_by_program(bridge, {"notifications", "{"}).code != 0);
  CHECK(bridge.heard(client) == Frames{});
}

TEST_CASE("custom events: data over 1 MiB is refused on all four ways") {
  RunningBridge bridge(blog([](Config& config) { config.limits.event_bytes = 2'000'000; }));
  Subscriber client = bridge.connect({"notifications.*"});
  const std::string largest = text_of(1'048'576);
  const std::string too_large = text_of(1'048'577);
  const auto in_sql = [&](const std::string& text) {
    return bridge.writer.attempt("select pgtide_api.broadcast('notifications', $1)", {text})
        .sqlstate;
  };
  const auto in_http = [&](const std::string& text) {
    return post(bridge, "/realtime/broadcast",
                R"({"collection":"notifications","data":)" + text + "}")
        .status;
  };
  CHECK(in_sql(too_large) == "22023");
  std::string wide = "\"";  // fewer characters, but not fewer bytes
  while (wide.size() <= 1'048'576) wide += "\u00e4";
  wide += "\"";
  CHECK(in_sql(wide) == "22023");
  CHECK(bridge.writer.attempt("select pgtide_api.broadcast_all($1)", {wide}).sqlstate == "22023");
  CHECK(bridge.realtime().broadcast("notifications", too_large).error().kind ==
        ErrorKind::too_large);
  CHECK(in_http(too_large) == 413);
  CHECK(bridge.heard(client) == Frames{});
  CHECK(in_sql(largest) == "");
  CHECK(bridge.realtime().broadcast("notifications", largest).ok());
  CHECK(in_http(largest) == 202);
  CHECK(bridge.heard(client) == Frames(3, custom(R"("notifications")", largest)));
}

TEST_CASE("custom events: past so many that wait HTTP refuses them, and takes them again later") {
  RunningBridge bridge(blog());
  Session holder = bridge.database.session();
  holder.run("begin");
  holder.run("lock table pgtide.log0, pgtide.log1, pgtide.log2 in access exclusive mode");
  const std::string body = R"({"data":)" + text_of(1'000'000) + "}";
  std::vector<WireSocket> sockets;
  for (int i = 0; i < 40; ++i) {  // 16 MiB may wait
    sockets.emplace_back(bridge.address());
    sockets.back().write("POST /realtime/broadcast_all HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                         "Content-Type: application/json\r\nContent-Length: " +
                         std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  const auto refused = [&] {
    return bridge.metric("pgtide_http_refusals_total{status=\"503\"}");
  };
  eventually([&] { return refused() >= 24; });
  CHECK(refused() == 24);
  holder.run("commit");
  int accepted = 0;
  for (WireSocket& socket : sockets) {
    std::string reply;
    while (reply.find("\r\n\r\n") == std::string::npos) REQUIRE(socket.read(reply, patience));
    accepted += reply.starts_with("HTTP/1.1 202") ? 1 : 0;
  }
  CHECK(accepted == 16);
  CHECK(post(bridge, "/realtime/broadcast_all", body).status == 202);
}

TEST_CASE("custom events: HTTP wants POST, JSON, no foreign page, and loopback or a right") {
  RunningBridge bridge(blog());
  const std::string body = R"({"collection":"notifications","data":1})";
  struct Case {
    std::string request;
    std::vector<std::string> headers;
    std::string body;
    int status;
    const char* why;
  };
  const std::string path = "POST /realtime/broadcast";
  const Case cases[] = {
      {"GET /realtime/broadcast", json_type, "", 405, "a GET changes nothing"},
      {path, {"Content-Type: text/plain"}, body, 415, "what a foreign form may send"},
      {path, {}, body, 415, "no type at all"},
      {path, {json_type[0], "Origin: https://evil.example.com"}, body, 403, "a foreign page"},
      {path, {json_type[0], "Host: evil.example.com"}, body, 403, "DNS rebinding"},
      {path, {json_type[0], "X-Forwarded-For: 10.0.0.1"}, body, 401, "came through a proxy"},
      {path, {json_type[0], "Forwarded: for=10.0.0.1"}, body, 401, "came through a proxy"},
      {path, {json_type[0], "Authorization: Bearer x"}, body, 401, "no token is known"},
      {path, json_type, R"({"collection":"notifications"})", 400, "without data"},
      {path, json_type, R"({"data":1})", 400, "without a collection"},
      {path, json_type, R"({"collection":"notifications","data":1,"x":1})", 400, "unknown field"},
      {"POST /realtime/broadcast_all", json_type, body, 400, "to everyone has no collection"},
      {path, {"Content-Type: application/json; charset=utf-8"}, body, 202, "with a parameter"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.why);
    CHECK(http(bridge.address(), one.request, one.headers, one.body).status == one.status);
  }
}

TEST_CASE("custom events: a role may broadcast where it was granted, and hears what is missing") {
  Role app;
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"notifications.*"});
  Realtime realtime(bridge.database.url(app.name()));
  const auto refused = realtime.broadcast("notifications", "1");
  REQUIRE(!refused.ok());
  CAPTURE(refused.error().to_string());
  CHECK(refused.error().kind == ErrorKind::denied);
  CHECK(refused.error().message.find("GRANT") != std::string::npos);
  bridge.run("grant usage on schema pgtide_api to " + app.name() + "; grant execute on function " +
             "pgtide_api.broadcast(text, json) to " + app.name());
  CHECK(realtime.broadcast("notifications", "2").ok());
  CHECK(bridge.heard(client) == Frames{custom(R"("notifications")", "2")});
}
