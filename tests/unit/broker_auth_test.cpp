#include <doctest/doctest.h>

#include <string>

#include "broker_fixture.hpp"
#include "model/server_message.hpp"

// The message `auth` as the broker answers it.
using namespace pgtide;
using namespace pgtide::test;

namespace {

// Knows the tokens "alice" and "bob"; alice's ends.
BrokerOptions knowing(bool required = false) {
  BrokerOptions options{.limits = {.requests_per_second = 100}};
  options.auth_required = required;
  options.verify_token = [](std::string_view token, std::string_view) -> Result<Identity> {
    if (token == "alice") {
      return Identity{{.id = "alice", .roles = {"editor"}},
                      std::chrono::system_clock::time_point{1'800'000'000s}};
    }
    if (token == "bob") return Identity{{.id = "bob"}, std::nullopt};
    return Error{ErrorKind::denied, "the token's signature is wrong"};
  };
  return options;
}

std::string auth(const std::string& token) {
  return R"({"type":"auth","id":1,"token":")" + token + "\"}";
}

const std::string auth_refused =
    R"({"type":"error","code":"invalid_token","message":"the token's signature is wrong","id":1})";

std::string code_of_line(const std::string& line) {
  const std::size_t at = line.find("\"code\":\"");
  return at == std::string::npos ? line : line.substr(at + 8, line.find('"', at + 8) - at - 8);
}

}  // namespace

TEST_CASE("server message: a credential's end is told in UTC, to the second") {
  const std::chrono::system_clock::time_point at{1'800'000'000s + 999ms};
  CHECK(authenticated_message("7", {{.id = "17", .roles = {"a"}}, at}) ==
        R"({"type":"authenticated","user":{"id":"17","roles":["a"]},)"
        R"("expires_at":"2027-01-15T08:00:00Z","id":7})");
  const Principal user{.id = "17"};
  CHECK(connected_message({"c", &user, 1s, at}).find(R"("expires_at":"2027-01-15T08:00:00Z")") !=
        std::string::npos);
}

TEST_CASE("broker: auth changes the user, and what is refused changes nothing") {
  World world(open_policy(), knowing());
  const auto number = world.open();
  CHECK(world.ask(number, auth("mallory")) == Lines{auth_refused});
  CHECK(!world.broker.record(number).user);
  CHECK(world.ask(number, auth("alice")) ==
        Lines{R"({"type":"authenticated","user":{"id":"alice","roles":["editor"]},)"
              R"("expires_at":"2027-01-15T08:00:00Z","id":1})"});
  CHECK(world.broker.record(number).user->id == "alice");
  CHECK(world.ask(number, auth("mallory")) == Lines{auth_refused});
  CHECK(world.broker.record(number).user->id == "alice");
  const Reply reply = world.broker.receive(number, auth("bob"), world.now);
  CHECK(reply.authenticated);
  CHECK(payloads(reply.frames) ==
        Lines{R"({"type":"authenticated","user":{"id":"bob","roles":[]},"expires_at":null,)"
              R"("id":1})"});
  CHECK(world.broker.record(number).expires_at == ConnectionRecord::never);
}

TEST_CASE("broker: without a verifier no token is known") {
  World world;
  const auto number = world.open();
  const Lines reply = world.ask(number, auth("alice"));
  REQUIRE(reply.size() == 1);
  CHECK(code_of_line(reply[0]) == "invalid_token");
}

TEST_CASE("broker: auth costs a request, and is refused where there is none left") {
  BrokerOptions options = knowing();
  options.limits.requests_per_second = 1;
  World world(open_policy(), options);
  const auto number = world.open();
  CHECK(world.ask(number, auth("mallory")) == Lines{auth_refused});
  const Lines reply = world.ask(number, auth("alice"));
  REQUIRE(reply.size() == 1);
  CHECK(code_of_line(reply[0]) == "rate_limited");
  CHECK(!world.broker.record(number).user);
}

TEST_CASE("broker: auth that succeeds gives no request back") {
  BrokerOptions options = knowing();
  options.limits.requests_per_second = 3;
  World world(open_policy(), options);
  const auto number = world.open();
  for (int i = 0; i < 3; ++i) {
    CHECK(world.ask(number, auth("alice"))[0].starts_with(R"({"type":"authenticated")"));
  }
  CHECK(code_of_line(world.ask(number, auth("alice"))[0]) == "rate_limited");
}

TEST_CASE("broker: subscriptions live on through auth where they stay allowed") {
  World world(open_policy(), knowing());
  const auto number = world.subscriber({"posts.*"});
  CHECK(world.ask(number, auth("alice")).size() == 1);
  world.deliver({created("posts", "1", R"({"id":1})")});
  CHECK(world.taken(number).size() == 1);
  CHECK(world.ask(number, auth("bob")).size() == 1);
  world.deliver({created("posts", "2", R"({"id":2})"), to_everyone("1")});
  CHECK(world.taken(number).size() == 2);
  CHECK(world.patterns(number) == Lines{"posts.*"});
}

TEST_CASE("broker: who must authenticate may do nothing else before, and is sent nothing") {
  World world(open_policy(), knowing(true));
  const auto number = world.open();
  world.taken(number);
  for (const std::string& message :
       {World::subscribe("posts.*"), std::string(R"({"type":"unsubscribe","pattern":"*"})"),
        std::string(R"({"type":"ping"})")}) {
    CAPTURE(message);
    const Lines reply = world.ask(number, message);
    REQUIRE(reply.size() == 1);
    CHECK(code_of_line(reply[0]) == "unauthenticated");
  }
  CHECK(world.ask(number, auth("mallory")) == Lines{auth_refused});
  world.deliver({created("posts", "1", R"({"id":1})"), to_everyone("1")});
  CHECK(world.taken(number) == Lines{});
  CHECK(world.broker.position_frame(number) == "");

  CHECK(world.ask(number, auth("alice")).size() == 1);
  CHECK(world.ask(number, World::subscribe("posts.*")).size() == 1);
  world.deliver({created("posts", "2", R"({"id":2})"), to_everyone("1")});
  CHECK(world.taken(number).size() == 2);
  CHECK(world.ask(number, R"({"type":"ping"})") == Lines{R"({"type":"pong"})"});
  world.broker.close(number);
  const auto again = world.open();  // a connection that never was admitted goes, too
  world.broker.close(again);
  CHECK(world.broker.connection_count() == 0);
}
