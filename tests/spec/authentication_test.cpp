#include <doctest/doctest.h>

#include <sys/stat.h>

#include "auth/base64url.hpp"
#include "auth/verifying_key.hpp"
#include "integration/auth_signer.hpp"
#include "support/folder.hpp"
#include "support/hex.hpp"
#include "support/program.hpp"
#include "support/running_bridge.hpp"
#include "support/text.hpp"
#include "support/tokens.hpp"

// Who connects, over real sockets: credentials, their renewal and their end, and that no byte of
// them is ever written down.
using namespace pgtide;
using namespace pgtide::test;
using namespace std::chrono_literals;

namespace {

const std::string socket_path = "/realtime/subscribe";
const std::string shared_secret = token_auth().jwt.secret;
const std::string api_key = "an-api-key-of-the-tests-MARKER0123";

Config::Auth known_auth() {
  Config::Auth auth = token_auth();
  auth.api_keys = {{.name = "backend", .sha256 = in_hex(sha256(api_key)), .roles = {"admin"}}};
  return auth;
}

BridgeSetup guarded_blog(std::function<void(Config&)> adjust = {}) {
  return blog([adjust](Config& config) {
    config.auth = known_auth();
    if (adjust) adjust(config);
  });
}

std::string editor_token(const std::string& user, std::chrono::milliseconds lifetime = 1h) {
  return token_of(user, {"editor"}, lifetime);
}

std::string auth_message(const std::string& token) {
  return R"({"type":"auth","token":")" + token + "\"}";
}

std::string code_in(const std::string& frame) {
  return member(frame, "type") == "\"error\"" || member(frame, "type") == "error"
             ? member(frame, "code")
             : member(frame, "type");
}

}  // namespace

TEST_CASE("authentication: a token or a key, in each of its places, names the user") {
  RunningBridge bridge(guarded_blog([](Config& config) { config.auth.query_token = true; }));
  const std::string token = editor_token("17");
  Subscriber by_header(bridge.address(), socket_path, {bearer(token)});
  CHECK(member(by_header.greeting(), "user") == R"({"id":"17","roles":["editor"]})");
  CHECK(member(by_header.greeting(), "expires_at") != "null");
  Subscriber by_subprotocol(bridge.address(), socket_path,
                            {"Sec-WebSocket-Protocol: pgtide, pgtide.bearer." + token});
  CHECK(by_subprotocol.answer().headers.at("sec-websocket-protocol") == "pgtide");
  CHECK(member(by_subprotocol.greeting(), "user") == R"({"id":"17","roles":["editor"]})");
  Subscriber by_query(bridge.address(), socket_path + "?token=" + token);
  CHECK(member(by_query.greeting(), "user") == R"({"id":"17","roles":["editor"]})");
  Subscriber by_key(bridge.address(), socket_path, {"X-API-Key: " + api_key});
  CHECK(member(by_key.greeting(), "user") == R"({"id":"backend","roles":["admin"]})");
  CHECK(member(by_key.greeting(), "expires_at") == "null");
  by_key.subscribe({"posts.*"});
  bridge.run("insert into posts values (1, 'a')");
  CHECK(bridge.heard(by_key).size() == 1);
}

TEST_CASE("authentication: a wrong token in a header is 401, elsewhere it is closed with 4401") {
  RunningBridge bridge(guarded_blog());
  const std::string token = editor_token("17");
  const std::string forged = token.substr(0, token.size() - 6) + "AAAAAA";
  const HttpReply reply = WireClient::upgrade(bridge.address(), socket_path, {bearer(forged)});
  CHECK(reply.status == 401);
  CHECK(holds(reply.body, "invalid_token"));
  CHECK(holds(reply.body, "signature"));
  CHECK(!holds(reply.body, forged.substr(0, 20)));
  const HttpReply old =
      WireClient::upgrade(bridge.address(), socket_path, {bearer(editor_token("17", -31s))});
  CHECK(old.status == 401);
  CHECK(holds(old.body, "expired"));
  WireClient browser(bridge.address(), socket_path,
                     {"Sec-WebSocket-Protocol: pgtide, pgtide.bearer." + forged});
  CHECK(code_in(browser.next()) == "invalid_token");
  CHECK(browser.closed() == 4401);
  // A token is no reason to let another site's page in.
  CHECK(WireClient::upgrade(bridge.address(), socket_path,
                            {bearer(token), "Origin: https://evil.example"})
            .status == 403);
}

TEST_CASE("authentication: auth changes the user of a live connection, and a wrong one nothing") {
  RunningBridge bridge(guarded_blog());
  Subscriber client = bridge.connect({"posts.*"});
  CHECK(member(client.greeting(), "user") == "null");
  client.send(auth_message("a.b.c"));
  CHECK(code_in(client.next()) == "invalid_token");
  bridge.run("insert into posts values (1, 'a')");
  client.send(auth_message(editor_token("17")));
  std::vector<std::string> frames = bridge.raw_heard(client);
  bool authenticated = false;
  for (const std::string& frame : frames) {
    if (code_in(frame) != "authenticated") continue;
    authenticated = true;
    CHECK(member(frame, "user") == R"({"id":"17","roles":["editor"]})");
  }
  if (!authenticated) CHECK(code_in(client.next()) == "authenticated");
  const auto connections = bridge.realtime().get_connections();
  REQUIRE(connections.size() == 1);
}

TEST_CASE("authentication: a token that ends is told, and closes with 4401 after the leeway") {
  RunningBridge bridge(guarded_blog([](Config& config) { config.auth.jwt.leeway = 1s; }));
  Subscriber ends(bridge.address(), socket_path, {bearer(editor_token("17", 2s))});
  Subscriber renewed(bridge.address(), socket_path, {bearer(editor_token("17", 2s))});
  CHECK(code_in(renewed.next()) == "token_expired");
  renewed.send(auth_message(editor_token("17")));
  CHECK(code_in(renewed.next()) == "authenticated");
  CHECK(code_in(ends.next()) == "token_expired");
  CHECK(ends.closed() == 4401);
  CHECK(renewed.ask(R"({"type":"ping"})") == json(R"({"type":"pong"})"));
}

TEST_CASE("authentication: where it is required, nothing goes before it") {
  RunningBridge bridge(guarded_blog([](Config& config) {
    config.auth.required = true;
    config.limits.handshake_timeout = 2s;
  }));
  Subscriber anonymous(bridge.address());
  CHECK(member(anonymous.greeting(), "user") == "null");
  anonymous.send(R"({"type":"subscribe","pattern":"posts.*"})");
  CHECK(code_in(anonymous.next()) == "unauthenticated");
  Subscriber late(bridge.address());
  late.send(auth_message(editor_token("17")));
  CHECK(code_in(late.next()) == "authenticated");
  late.subscribe({"posts.*"});
  bridge.run("insert into posts values (1, 'a'); select pgtide_api.broadcast_all('1')");
  CHECK(bridge.heard(late).size() == 2);
  CHECK(!anonymous.next_within(100ms));
  CHECK(anonymous.closed() == 4401);
  CHECK(late.ask(R"({"type":"ping"})") == json(R"({"type":"pong"})"));
}

TEST_CASE("authentication: operators are those who may subscribe to everything") {
  BridgeSetup setup = guarded_blog();
  setup.rules = "version: 1\ncollections:\n  posts:\n    subscribe: public\n";
  RunningBridge bridge(setup);
  const auto post = [&](std::vector<std::string> headers) {
    headers.push_back("Content-Type: application/json");
    return http(bridge.address(), "POST /realtime/broadcast_all", headers, R"({"data":1})").status;
  };
  CHECK(post({}) == 401);
  CHECK(post({bearer(editor_token("17"))}) == 403);
  CHECK(post({"X-API-Key: nothing"}) == 401);
  bridge.write_rules("version: 1\nall: public\ncollections:\n  posts:\n    subscribe: public\n");
  REQUIRE(bridge.bridge().reload_rules().ok());
  CHECK(post({"X-API-Key: " + api_key}) == 202);
  CHECK(post({bearer(editor_token("17")), "X-Forwarded-For: 1.2.3.4"}) == 202);
  CHECK(post({"X-Forwarded-For: 1.2.3.4"}) == 401);
}

TEST_CASE("authentication: wrong credentials that cost nothing keep nobody of their address out") {
  RunningBridge bridge(guarded_blog());
  const std::string right = token_of("17");
  const std::string altered = right.substr(0, right.size() - 4) + "AAAA";
  const std::vector<std::string> wrong = {"X-API-Key: nothing", bearer("a.b.c"), bearer("nothing"),
                                          bearer(altered)};
  const auto try_with = [&](const std::string& line) {
    return WireClient::upgrade(bridge.address(), socket_path, {line}).status;
  };
  for (int n = 0; n < 100; ++n) {
    for (const std::string& line : wrong) CHECK(try_with(line) == 401);
  }
  CHECK(try_with("X-API-Key: " + api_key) == 101);
  CHECK(try_with(bearer(right)) == 101);
}

TEST_CASE("authentication: who makes the bridge compute in vain waits, and who is known does not") {
  const Signer signer("ES384");
  const Signer stranger("ES384");
  Folder folder;
  RunningBridge bridge(blog([&](Config& config) {
    config.auth = known_auth();
    config.auth.jwt.algorithms = {"HS256", "ES384"};
    config.auth.jwt.public_key_file = folder.write("key.pem", signer.pem());
    config.limits.requests_per_second = config.limits.frames_per_second = 1e6;
  }));
  const auto try_with = [&](const std::string& line) {
    return WireClient::upgrade(bridge.address(), socket_path, {line});
  };
  const std::string known = bearer(signer.token(R"({"sub":"17","exp":4000000000})"));
  const std::string fresh = bearer(signer.token(R"({"sub":"18","exp":4000000000})"));
  const std::string wrong = stranger.token(R"({"sub":"17","exp":4000000000})");
  CHECK(try_with(known).status == 101);
  Subscriber client = bridge.connect();
  HttpReply reply = try_with(bearer(wrong));
  CHECK(reply.status == 401);
  for (int n = 0; n < 10'000 && reply.status == 401; ++n) reply = try_with(bearer(wrong));
  CHECK(reply.status == 429);
  CHECK(reply.headers.at("retry-after") == "1");
  for (int n = 0; n < 20; ++n) {
    std::string code = "invalid_token";
    while (code == "invalid_token") {  // now and then there is enough again for one
      client.send(auth_message(wrong));
      code = member(client.next(), "code");
    }
    CHECK(code == "rate_limited");
    CHECK(try_with(known).status == 101);
    CHECK(try_with("X-API-Key: " + api_key).status == 101);
    CHECK(try_with(bearer(token_of("19"))).status == 101);
  }
  eventually([&] { return try_with(fresh).status == 101; });
}

TEST_CASE("authentication: operators have a listener of their own, and then no other") {
  RunningBridge bridge(guarded_blog([](Config& config) {
    config.server.admin_host = "127.0.0.1";
    config.server.admin_port = 0;
  }));
  REQUIRE(bridge.operators() != bridge.address());
  for (const char* path : {"/healthz", "/readyz", "/metrics"}) {
    CAPTURE(path);
    CHECK(http(bridge.operators(), std::string("GET ") + path).status == 200);
    CHECK(http(bridge.address(), std::string("GET ") + path).status == 404);
  }
  const auto post = [](const std::string& address) {
    return http(address, "POST /realtime/broadcast_all",
                {"Content-Type: application/json", "X-API-Key: " + api_key}, R"({"data":1})")
        .status;
  };
  CHECK(post(bridge.operators()) == 202);
  CHECK(post(bridge.address()) == 404);
  CHECK(WireClient::upgrade(bridge.operators(), socket_path).status == 404);
  Subscriber client = bridge.connect();
  CHECK(member(client.greeting(), "user") == "null");
}

TEST_CASE("authentication: keys that cannot be used keep the bridge from starting") {
  InstalledDatabase database("");
  Config config;
  config.database.url = database.url();
  config.server.port = 0;
  config.auth.jwt.secret = "tiny-one";
  Bridge bridge(config);
  const auto started = bridge.start();
  REQUIRE(!started);
  CHECK(started.error().kind == ErrorKind::invalid);
  CHECK(holds(started.error().to_string(), "at least 32 bytes"));
  CHECK(!holds(started.error().to_string(), "tiny-one"));
}

TEST_CASE("authentication: pgtide token makes a token that pgtide run accepts") {
  const ProgramOptions options{.environment = {"PGTIDE_AUTH_JWT_SECRET=" + shared_secret}};
  const ProgramEnd end = run_program({"token", "--user", "17", "--role", "admin", "--role",
                                      "writer", "--expires", "1h", "--claim", "team=[1]"},
                                     options);
  CHECK(end.code == 0);
  CHECK(end.errors == "");
  REQUIRE(end.output.ends_with("\n"));
  const std::string token = end.output.substr(0, end.output.size() - 1);
  RunningBridge bridge(guarded_blog());
  Subscriber client(bridge.address(), socket_path, {bearer(token)});
  CHECK(member(client.greeting(), "user") == R"({"id":"17","roles":["admin","writer"]})");

  // `tail` is such a client; it is told why where it is refused.
  const ProgramEnd refused = run_program({"tail", "posts.*", "--token", token + "x", "--url",
                                          "ws://" + bridge.address() + socket_path});
  CHECK(refused.code == 1);
  CHECK(!holds(refused.errors, token));
  Program tail(PGTIDE_PROGRAM,
               {"tail", "posts.*", "--url", "ws://" + bridge.address() + socket_path},
               {.environment = {"PGTIDE_TOKEN=" + token}});
  eventually([&] {
    for (const auto& connection : bridge.realtime().get_connections()) {
      if (connection.user && connection.user->id == "17" && !connection.patterns.empty())
        return true;
    }
    return false;
  });

  const ProgramEnd no_secret = run_program({"token", "--user", "17"});
  CHECK(no_secret.code == 2);
  CHECK(no_secret.output == "");
  CHECK(holds(no_secret.errors, "auth.jwt.secret: there is no secret"));
  CHECK(holds(no_secret.errors, "PGTIDE_AUTH_JWT_SECRET"));
  CHECK(run_program({"token"}, options).code == 2);
  CHECK(run_program({"token", "--user", ""}, options).code == 2);
  CHECK(run_program({"token", "--user", "17", "--expires", "1"}, options).code == 2);
  CHECK(run_program({"token", "--user", "17", "--claim", "team"}, options).code == 2);
  CHECK(run_program({"token", "--user", "17", "--claim", "exp=1"}, options).code == 2);
  const ProgramEnd short_secret =
      run_program({"token", "--user", "17"}, {.environment = {"PGTIDE_AUTH_JWT_SECRET=tooshort"}});
  CHECK(short_secret.code == 2);
  CHECK(!holds(short_secret.errors, "tooshort"));
}

TEST_CASE("authentication: no byte of a credential is logged, whatever is logged") {
  InstalledDatabase database("");
  Folder folder;
  const std::string config =
      folder.write("config.yaml", "auth:\n  query_token: true\n  jwt: {secret: \"" + shared_secret +
                                      "\"}\n  api_keys:\n    - {name: backend, sha256: " +
                                      in_hex(sha256(api_key)) + ", roles: [admin]}\n");
  ::chmod(config.c_str(), 0644);
  Program program(PGTIDE_PROGRAM,
                  {"run", "--config", config, "--log.level", "trace", "--server.listen",
                   "127.0.0.1:0", "--server.port-file", folder.path("port")},
                  {.environment = {"DATABASE_URL=" + database.url()}});
  std::string address;
  eventually([&] { return !(address = first_line(folder.path("port"))).empty(); });
  eventually([&] { return http(address, "GET /readyz").status == 200; }, patience);
  const std::string token = editor_token("17");
  const std::string forged = token.substr(0, token.size() - 6) + "AAAAAA";
  std::string answers;
  for (const std::string& each : {token, forged}) {
    answers += WireClient::upgrade(address, socket_path, {bearer(each)}).body;
    answers += WireClient::upgrade(address, socket_path + "?token=" + each).body;
    answers += WireClient::upgrade(address, socket_path,
                                   {"Sec-WebSocket-Protocol: pgtide, pgtide.bearer." + each})
                   .body;
    answers += http(address, "GET /nothing?token=" + each, {bearer(each)}).body;
    WireClient client(address);
    answers += client.next();
    client.send(auth_message(each));
    answers += client.next();
    client.close();
  }
  for (const std::string& key : {api_key, api_key + "x"}) {
    answers += WireClient::upgrade(address, socket_path, {"X-API-Key: " + key}).body;
    answers += http(address, "POST /realtime/broadcast_all",
                    {"X-API-Key: " + key, "Content-Type: application/json"}, R"({"data":1})")
                   .body;
  }
  answers += http(address, "GET /metrics").body;
  program.signal(SIGTERM);
  const ProgramEnd end = program.wait();
  CHECK(end.code == 0);
  const std::string written = end.output + end.errors + answers;
  const std::string payload = token.substr(token.find('.') + 1, 40);
  for (const std::string& part :
       {token, payload, token.substr(token.rfind('.') + 1), forged, api_key, shared_secret}) {
    CHECK(!holds(written, part));
  }
  CHECK(holds(end.errors, "everybody on this machine may read auth.jwt.secret"));
}
