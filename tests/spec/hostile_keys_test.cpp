#include <sys/resource.h>

#include <nlohmann/json.hpp>

#include "auth/base64url.hpp"
#include "auth/verifying_key.hpp"
#include "support/frame_shape.hpp"
#include "support/hex.hpp"
#include "support/serving.hpp"
#include "support/tokens.hpp"

// Keys that come, go and cannot be read while the program runs, and credentials that would be taken
// for others.
using namespace pgtide;
using namespace pgtide::test;

namespace {

const std::string socket_target = "/realtime/subscribe";
const std::string old_secret = "the secret of before, 32 bytes and more";
const std::string new_secret = "the secret of after, of 32 bytes and more";

std::string token_by(const std::string& secret, const std::string& user = "17") {
  Config::Auth auth;
  auth.jwt.secret = secret;
  TokenWish wish{.user = user, .now = std::chrono::system_clock::now()};
  wish.expires_at = wish.now + std::chrono::hours(1);
  const auto made = make_token(auth, wish);
  REQUIRE(made.ok());
  return *made;
}

// The same with this header.
std::string token_headed(const std::string& header) {
  const std::string usual = token_by(old_secret);
  const std::size_t dot = usual.find('.');
  const std::string text = encode_base64url(header) + usual.substr(dot, usual.rfind('.') - dot);
  const std::string signature = sign_with_secret(*find_algorithm("HS256"), old_secret, text);
  return text + "." + encode_base64url(signature);
}

std::string key_line(const std::string& name, const std::string& key,
                     const std::string& roles = "") {
  const std::string hash = in_hex(sha256(key));
  return "    - {name: " + name + ", sha256: " + hash + ", roles: [" + roles + "]}\n";
}
std::string with_api_keys(const std::string& keys) {
  return "auth:\n  jwt:\n    secret: " + old_secret + "\n  api_keys:\n" + keys;
}

std::string jwks(const std::vector<std::string>& secrets) {
  nlohmann::json keys = nlohmann::json::array();
  for (const std::string& secret : secrets) {
    keys.push_back({{"kty", "oct"}, {"k", encode_base64url(secret)}});
  }
  return nlohmann::json{{"keys", keys}}.dump();
}

int answer_of(const Serving& serving, const std::string& header) {
  return WireClient::upgrade(serving.address(), socket_target, {header}).status;
}
std::string problems_of(const Serving& serving) {
  return member(http(serving.address(), "GET /readyz").body, "problems");
}

// A client that has read its `connected`.
std::unique_ptr<WireClient> client_of(const Serving& serving, const std::string& header = "") {
  const std::vector<std::string> headers =
      header.empty() ? std::vector<std::string>{} : std::vector<std::string>{header};
  auto client = std::make_unique<WireClient>(serving.address(), socket_target, headers);
  CHECK(member(client->next(), "type") == "connected");
  return client;
}
bool is_served(WireClient& client) {
  client.send(R"({"type":"ping"})");
  return member(client.next(), "type") == "pong";
}
void check_ended(WireClient& client) {
  const std::string told = client.next();
  CHECK(member(told, "code") == "invalid_token");
  CHECK(holds(told, "not accepted here any more"));
  CHECK(client.closed() == 4401);
}

#ifndef PGTIDE_SANITIZE  // whose reports look at memory through a pipe: a descriptor
// What the program may open; those that are open stay so.
void allow_descriptors(Program& program, rlim_t count) {
  rlimit limit{};
  REQUIRE(::prlimit(program.pid(), RLIMIT_NOFILE, nullptr, &limit) == 0);
  limit.rlim_cur = std::min(count, limit.rlim_max);
  REQUIRE(::prlimit(program.pid(), RLIMIT_NOFILE, &limit, nullptr) == 0);
}
#endif

}  // namespace

#ifndef PGTIDE_SANITIZE
TEST_CASE("keys: a file that could not be read is read again until it can be, and told till then") {
  Stage stage;
  const std::string file = stage.folder.write("secret", old_secret);
  Serving serving(stage, "port", {"--auth.jwt.secret-file", file});
  WireSocket open(serving.address());  // which needs no descriptor any more
  const std::string ask = "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
  CHECK(member(answer_to(open, ask).body, "problems") == "[]");
  allow_descriptors(*serving.program, 1);
  stage.folder.write("secret", new_secret);
  eventually([&] { return holds(serving.program->errors(), "secret cannot be read: Too many"); },
             patience, [&] { return serving.program->errors(); });
  CHECK(holds(member(answer_to(open, ask).body, "problems"), "secret cannot be read: Too many"));
  allow_descriptors(*serving.program, 1'000);
  eventually([&] { return answer_of(serving, bearer(token_by(new_secret))) == 101; }, patience,
             [&] { return serving.program->errors(); });
  CHECK(answer_of(serving, bearer(token_by(old_secret))) == 401);
  CHECK(problems_of(serving) == "[]");
}
#endif

TEST_CASE("keys: a file that is wrong is a problem until it is right, and the old key goes on") {
  Stage stage;
  const std::string file = stage.folder.write("secret", old_secret);
  Serving serving(stage, "port", {"--auth.jwt.secret-file", file});
  const auto client = client_of(serving, bearer(token_by(old_secret)));
  stage.folder.write("secret", "short");
  eventually([&] { return holds(problems_of(serving), "auth.jwt.secret_file"); }, patience,
             [&] { return problems_of(serving); });
  CHECK(holds(problems_of(serving), "the old keys stay in force"));
  CHECK(metric_of(serving.address(), "pgtide_problems") == 1);
  CHECK(is_served(*client));
  CHECK(answer_of(serving, bearer(token_by(old_secret))) == 101);
  stage.folder.write("secret", new_secret);
  eventually([&] { return problems_of(serving) == "[]"; }, patience,
             [&] { return problems_of(serving); });
  CHECK(metric_of(serving.address(), "pgtide_problems") == 0);
  CHECK(serving.lines_with("the old keys stay in force").size() == 1);
}

TEST_CASE("keys: with a secret that is replaced, the connections that it let in end") {
  Stage stage;
  const std::string file = stage.folder.write("secret", old_secret);
  stage.folder.write("config.yaml", "auth:\n  api_keys:\n" + key_line("backend", "a key"));
  Serving serving(stage, "port", {"--auth.jwt.secret-file", file});
  const auto by_header = client_of(serving, bearer(token_by(old_secret)));
  const auto by_message = client_of(serving);
  by_message->send(R"({"type":"auth","token":")" + token_by(old_secret, "18") + "\"}");
  CHECK(member(by_message->next(), "type") == "authenticated");
  const auto by_key = client_of(serving, "X-API-Key: a key");
  const auto anonymous = client_of(serving);
  stage.folder.write("secret", new_secret);
  check_ended(*by_header);
  check_ended(*by_message);
  CHECK(is_served(*by_key));
  CHECK(is_served(*anonymous));
  CHECK(is_served(*client_of(serving, bearer(token_by(new_secret)))));
}

TEST_CASE("keys: with a key that leaves the key set, its connections end, and no others") {
  Stage stage;
  const std::string file = stage.folder.write("keys.json", jwks({old_secret, new_secret}));
  Serving serving(stage, "port", {"--auth.jwt.jwks-file", file});
  const auto of_old = client_of(serving, bearer(token_by(old_secret)));
  const auto of_new = client_of(serving, bearer(token_by(new_secret)));
  stage.folder.write("keys.json", jwks({new_secret}));
  check_ended(*of_old);
  CHECK(is_served(*of_new));
  CHECK(answer_of(serving, bearer(token_by(old_secret))) == 401);
}

TEST_CASE("keys: SIGHUP reads the API keys anew, and ends the connections of those that changed") {
  Stage stage;
  stage.folder.write("config.yaml",
                     with_api_keys(key_line("kept", "key 1") + key_line("gone", "key 2") +
                                   key_line("promoted", "key 3")));
  Serving serving(stage, "port");
  const auto kept = client_of(serving, "X-API-Key: key 1");
  const auto gone = client_of(serving, "X-API-Key: key 2");
  const auto promoted = client_of(serving, "X-API-Key: key 3");
  const auto user = client_of(serving, bearer(token_by(old_secret)));
  stage.folder.write("config.yaml", with_api_keys(key_line("kept", "key 1") +
                                                  key_line("promoted", "key 3", "admin") +
                                                  key_line("fresh", "key 4")));
  serving.program->signal(SIGHUP);
  check_ended(*gone);
  check_ended(*promoted);
  CHECK(is_served(*kept));
  CHECK(is_served(*user));
  CHECK(answer_of(serving, "X-API-Key: key 2") == 401);
  CHECK(answer_of(serving, "X-API-Key: key 3") == 101);
  CHECK(answer_of(serving, "X-API-Key: key 4") == 101);
}

TEST_CASE("keys: API keys that SIGHUP cannot read stay, as a problem, until they can be read") {
  Stage stage;
  stage.folder.write("config.yaml", with_api_keys(key_line("backend", "key 1")));
  Serving serving(stage, "port");
  const auto client = client_of(serving, "X-API-Key: key 1");
  stage.folder.write("config.yaml", "auth:\n  api_keys:\n    - {name: backend, sha256: none}\n");
  serving.program->signal(SIGHUP);
  eventually([&] { return holds(problems_of(serving), "the old API keys stay in force"); },
             patience, [&] { return problems_of(serving); });
  CHECK(is_served(*client));
  CHECK(answer_of(serving, "X-API-Key: key 1") == 101);
  stage.folder.write("config.yaml", with_api_keys(key_line("backend", "key 2")));
  check_ended(*client);  // without another signal
  eventually([&] { return problems_of(serving) == "[]"; }, patience,
             [&] { return problems_of(serving); });
  CHECK(answer_of(serving, "X-API-Key: key 2") == 101);
}

TEST_CASE("keys: a token made for another use is refused where auth.jwt.typ says for which it is") {
  struct Case {
    std::string header;
    int status;
    const char* why;
  };
  const Case cases[] = {
      {R"({"alg":"HS256","typ":"at+jwt"})", 101, "an access token"},
      {R"({"alg":"HS256","typ":"application/AT+JWT"})", 101, "in full, in capitals"},
      {R"({"alg":"HS256","typ":"JWT"})", 401, "an identity token"},
      {R"({"alg":"HS256","typ":"logout+jwt"})", 401, "a logout token"},
      {R"({"alg":"HS256","typ":"at+jwt "})", 401, "not quite"},
      {R"({"alg":"HS256","typ":["at+jwt"]})", 401, "no text"},
      {R"({"alg":"HS256"})", 401, "none"},
  };
  Stage stage;
  stage.folder.write("config.yaml", "auth:\n  jwt:\n    secret: " + old_secret + "\n");
  Serving strict(stage, "strict", {"--auth.jwt.typ", "at+jwt"});
  Serving lenient(stage, "lenient");
  for (const Case& one : cases) {
    CAPTURE(one.why);
    CHECK(answer_of(strict, bearer(token_headed(one.header))) == one.status);
    CHECK(answer_of(lenient, bearer(token_headed(one.header))) == 101);
  }
  const ProgramEnd made = run_program({"token", "--auth.jwt.typ", "at+jwt", "--user", "17"},
                                      {.folder = stage.folder.path("")});
  REQUIRE(made.code == 0);
  CHECK(answer_of(strict, bearer(made.output.substr(0, made.output.find('\n')))) == 101);
}

TEST_CASE("keys: no token speaks for an API key, even one that was accepted before the key was") {
  Stage stage;
  stage.folder.write("config.yaml", with_api_keys(key_line("backend", "key 1")));
  Serving serving(stage, "port");
  CHECK(answer_of(serving, bearer(token_by(old_secret, "backend"))) == 401);
  const auto anonymous = client_of(serving);
  anonymous->send(R"({"type":"auth","token":")" + token_by(old_secret, "backend") + "\"}");
  CHECK(member(anonymous->next(), "code") == "invalid_token");
  CHECK(is_served(*client_of(serving, "X-API-Key: key 1")));
  const auto later = client_of(serving, bearer(token_by(old_secret, "reports")));
  const auto other = client_of(serving, bearer(token_by(old_secret, "Reports")));
  stage.folder.write("config.yaml",
                     with_api_keys(key_line("backend", "key 1") + key_line("reports", "key 2")));
  serving.program->signal(SIGHUP);
  check_ended(*later);
  CHECK(is_served(*other));
  CHECK(run_program({"token", "--user", "backend"}, {.folder = stage.folder.path("")}).code != 0);
}
