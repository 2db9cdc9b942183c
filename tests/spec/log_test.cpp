#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "support/serving.hpp"
#include "support/tokens.hpp"

// What `pgtide run` writes to its log, as an operator finds it.
using namespace pgtide::test;

namespace {

// Waits for a line that has `part`, and returns the first.
std::string awaited_line(const Serving& serving, const std::string& part) {
  eventually([&] { return !serving.lines_with(part).empty(); }, patience,
             [&] { return serving.program->errors(); });
  return serving.lines_with(part).front();
}

std::string id_in(const std::string& connected) {
  return nlohmann::json::parse(connected).at("connection_id").get<std::string>();
}

}  // namespace

TEST_CASE("log: at debug level one change can be followed from its tick to the socket") {
  Stage stage;
  Serving serving(stage, "port", {"--log-level", "debug"});
  WireClient client(serving.address());
  const std::string id = id_in(client.next());
  client.send(R"({"type":"subscribe","pattern":"posts.*"})");
  CHECK(holds(client.next(), "subscribed"));
  stage.database.run("insert into posts values (17, 'Secret')");
  CHECK(holds(client.next(), "record_event"));

  CHECK(holds(awaited_line(serving, "connection " + id + ": opened by anonymous at 127.0.0.1:"),
              " debug "));
  awaited_line(serving, "connection " + id + ": sent 40 bytes, and was answered "
                        R"({"type":"subscribed","pattern":"posts.*")");
  const std::string read = awaited_line(serving, "changes read: create of posts '17'");
  std::smatch found;
  REQUIRE(std::regex_search(read, found, std::regex(R"(tick (\d+): 1 changes .*change (\d+)\))")));
  const std::string tick = found[1], change = found[2];
  awaited_line(serving, "tick " + tick + ": shard ");
  awaited_line(serving, "has 1 changes for 1 connections");
  CHECK(serving.lines_with("has 1 changes for 1 connections").size() == 1);
  CHECK(holds(awaited_line(serving, "connection " + id + ": 1 events, "),
              "given to the socket: create of posts '17' (tick " + tick + ", change " + change +
                  ")"));
  client.close();
  awaited_line(serving, "connection " + id + ": ended, the peer's close code: 1000");
  CHECK(!holds(serving.program->errors(), "Secret"));
}

TEST_CASE("log: as JSON each line is an object, and names the connection that it is about") {
  Stage stage;
  Serving serving(stage, "port", {"--log.level", "debug", "--log.format", "json"});
  WireClient client(serving.address());
  const std::string id = id_in(client.next());
  client.send("no JSON\n\x1b[31m");
  CHECK(holds(client.next(), "invalid_json"));
  awaited_line(serving, "invalid_json");
  std::set<std::string> messages_of_client;
  std::istringstream log(serving.program->errors());
  for (std::string text; std::getline(log, text);) {
    const auto line = nlohmann::json::parse(text);
    CHECK(line.at("time").is_string());
    CHECK(line.at("level").is_string());
    if (line.value("connection", "") == id) {
      messages_of_client.insert(line.at("message").get<std::string>().substr(0, 6));
    }
  }
  CHECK(messages_of_client == std::set<std::string>{"opened", "sent 1"});
}

TEST_CASE("log: a token is in no line at any level") {
  Stage stage;
  const std::string token = token_of("17");
  Serving serving(stage, "port",
                  {"--log-level", "trace", "--auth.jwt.secret", token_auth().jwt.secret});
  WireClient by_header(serving.address(), "/realtime/subscribe", {bearer(token)});
  CHECK(holds(by_header.next(), "connected"));
  WireClient by_message(serving.address());
  by_message.next();
  by_message.send(R"({"type":"auth","token":")" + token + R"("})");
  CHECK(holds(by_message.next(), "authenticated"));
  by_message.send(R"({"type":"auth","tokem":")" + token + R"("})");
  CHECK(holds(by_message.next(), "invalid_message"));
  const std::vector<std::string> wrong = {bearer(token + "x")};
  WireClient::upgrade(serving.address(), "/realtime/subscribe", wrong);
  WireClient::upgrade(serving.address(), "/realtime/subscribe?token=" + token,
                      {"Origin: https://elsewhere.example"});
  awaited_line(serving, "refused 127.0.0.1 with HTTP 401");
  awaited_line(serving, "refused 127.0.0.1 with HTTP 403");
  awaited_line(serving, "opened by user '17'");
  CHECK(!holds(serving.program->errors(), token.substr(token.size() - 20)));
}

TEST_CASE("log: a refusal names Origin, Host and path, and nothing else of the request") {
  Stage stage;
  Serving serving(stage, "port");
  struct Case {
    const char* why;
    std::string target;
    std::vector<std::string> headers;
    std::string line;
  };
  const std::string subscribe = "/realtime/subscribe";
  const Case cases[] = {
      {"an origin", subscribe + "?token=secret", {"Host: localhost", "Origin: null"},
       "; Origin 'null', Host 'localhost', path '/realtime/subscribe'"},
      {"a host", subscribe, {"Host: rebound.example"},
       "; no Origin, Host 'rebound.example', path '/realtime/subscribe'"},
      {"a path", "/elsewhere?token=secret", {"Host: localhost:0", "Origin: http://localhost"},
       "; Origin 'http://localhost', Host 'localhost:0', path '/elsewhere'"},
      {"two origins", subscribe, {"Host: localhost", "Origin: null", "Origin: file://"},
       "; several Origins, Host 'localhost', path '/realtime/subscribe'"},
      {"what would steer a terminal", "/\x9b", {"Host: localhost", "Origin: \x9b[31m"},
       "; Origin '\\x9b[31m', Host 'localhost', path '/\\x9b'"},
      {"a long one", subscribe, {"Host: localhost", "Origin: " + std::string(5'000, 'o')},
       "; Origin '" + std::string(60, 'o') + "...', Host 'localhost', path '/realtime/subscribe'"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.why);
    WireClient::upgrade(serving.address(), each.target, each.headers);
    awaited_line(serving, each.line);
  }
  CHECK(!holds(serving.program->errors(), "secret"));
}

TEST_CASE("log: a client's fault is one line with its connection's id") {
  struct Case {
    std::string why;
    std::vector<std::string> settings;
    std::function<void(WireClient&)> act;
    std::string line;
  };
  const std::vector<Case> cases = {
      {"an unmasked frame", {}, [](WireClient& client) { client.send_frame(1, "{}", false); },
       "closed, for its frames: "},
      {"a binary frame", {}, [](WireClient& client) { client.send_frame(2, "{}"); },
       "closed with 1003, text frames only; anonymous at 127.0.0.1:"},
      {"no sign of life", {"--heartbeat.interval", "100ms", "--heartbeat.timeout", "100ms"},
       [](WireClient&) {}, "closed with 4408, no sign of life; anonymous at 127.0.0.1:"},
      {"refused too often", {"--limits.frames-per-second", "10000"},
       [](WireClient& client) {
         for (int i = 0; i < 120; ++i) client.send(R"({"type":"unsubscribe","pattern":"*"})");
       },
       "closed with 4429, too many refused requests; anonymous at 127.0.0.1:"},
      {"a binary frame, and then none at all", {},
       [](WireClient& client) {
         client.send_frame(2, "{}");
         client.send_frame(1, "{}", false);
       },
       "closed with 1003, text frames only; anonymous at 127.0.0.1:"}};
  for (const Case& each : cases) {
    CAPTURE(each.why);
    Stage stage;
    Serving serving(stage, "port", each.settings);
    WireClient client(serving.address());
    client.answers_pings = false;
    const std::string id = id_in(client.next());
    each.act(client);
    client.closed();
    awaited_line(serving, "connection " + id + ": " + each.line);
    CHECK(serving.lines_with(id).size() == 1);
  }
}

TEST_CASE("log: a wrong token that a browser sends is a line as well, without the token") {
  Stage stage;
  Serving serving(stage, "port", {"--auth.jwt.secret", token_auth().jwt.secret});
  WireClient client(serving.address(), "/realtime/subscribe",
                    {"Sec-WebSocket-Protocol: pgtide, pgtide.bearer." + token_of("17") + "x"});
  CHECK(holds(client.next(), "invalid_token"));
  CHECK(client.closed() == 4401);
  awaited_line(serving, "refused 127.0.0.1 with close code 4401: ");
  CHECK(!holds(serving.program->errors(), token_of("17").substr(0, 30)));
}

TEST_CASE("log: whoever is refused a thousand times fills no disk") {
  Stage stage;
  Serving serving(stage, "port", {"--server.threads", "1"});
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 1'000; ++i) {
    CHECK(WireClient::upgrade(serving.address(), "/realtime/subscribe",
                              {"Origin: https://elsewhere.example"}).status == 403);
  }
  CHECK(metric_of(serving.address(), "pgtide_handshakes_refused_total") == 1'000);
  const auto lines = serving.lines_with("refused 127.0.0.1 with HTTP 403");
  const auto periods = (std::chrono::steady_clock::now() - begun) / std::chrono::seconds(10) + 1;
  CHECK(lines.size() >= 10);
  CHECK(lines.size() <= 10 * static_cast<std::size_t>(periods));
}
