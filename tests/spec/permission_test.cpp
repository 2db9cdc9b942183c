#include "support/running_bridge.hpp"
#include "support/tokens.hpp"

// Who gets what, over real sockets, with users' tokens.
using namespace pgtide;
using namespace pgtide::test;
using namespace std::chrono_literals;

namespace {

using Frames = std::vector<std::string>;

// posts(id, author, title, email): everybody with a credential sees his own, staff the addresses.
class GuardedBridge : public RunningBridge {
 public:
  GuardedBridge()
      : RunningBridge({.sql = "create table posts (id int primary key, author text, title text,"
                              " email text);"
                              "create table comments (id int primary key, text text);"
                              "select pgtide.watch('posts'), pgtide.watch('comments');",
                       .rules = "version: 1\n"
                                "all: \"'admin' in user.roles\"\n"
                                "collections:\n"
                                "  posts:\n"
                                "    subscribe: authenticated\n"
                                "    where: record.author == user.id\n"
                                "    hide: {email: \"'staff' in user.roles\"}\n"
                                "  comments:\n"
                                "    subscribe: \"'reader' in user.roles\"\n",
                       .adjust = [](Config& config) { config.auth = token_auth(); }}) {}

  Subscriber as(const std::string& user, const std::vector<std::string>& roles = {}) const {
    return Subscriber(address(), "/realtime/subscribe", {bearer(token_of(user, roles))});
  }
};

std::string refused(const std::string& code, const std::string& pattern) {
  return json(R"({"type":"error","code":")" + code + R"(","message":"<text>","pattern":")" +
              pattern + "\"}");
}

Frames records(const Frames& frames) {
  Frames shown;
  for (const auto& frame : frames) {
    shown.push_back(member(frame, "action") + " " + member(frame, "record"));
  }
  return shown;
}

}  // namespace

TEST_CASE("Permission Validation: Unauthorized subscription attempt") {
  GuardedBridge bridge;
  Subscriber anonymous = bridge.connect();
  for (const char* pattern : {"posts.*", "posts.1", "comments.*", "ghosts.*", "*"}) {
    CHECK(anonymous.ask_for(pattern) == refused("unauthenticated", pattern));
  }
  Subscriber ann = bridge.as("ann");
  for (const char* pattern : {"comments.*", "comments.1", "ghosts.*", "*"}) {
    CHECK(ann.ask_for(pattern) == refused("permission_denied", pattern));
  }
  bridge.run("insert into posts values (1, 'ann', 't'); insert into comments values (1, 'c')");
  CHECK(bridge.heard(anonymous) == Frames{});
  CHECK(bridge.heard(ann) == Frames{});
}

TEST_CASE("Permission Validation: Authorized subscription") {
  GuardedBridge bridge;
  Subscriber ann = bridge.as("ann");
  Subscriber bob = bridge.as("bob", {"reader", "staff"});
  ann.subscribe({"posts.*"});
  bob.subscribe({"posts.*", "comments.*"});
  bridge.raw_heard(ann);
  bridge.raw_heard(bob);
  bridge.run("insert into posts values (1, 'ann', 'hers', 'a@x'), (2, 'bob', 'his', 'b@x')");
  bridge.run("insert into comments values (1, 'c')");
  bridge.run("update posts set author = 'bob' where id = 1");
  CHECK(records(bridge.raw_heard(ann)) ==
        Frames{"create " + json(R"({"id":1,"author":"ann","title":"hers"})"),
               "delete " + json(R"({"id":1})")});
  CHECK(records(bridge.raw_heard(bob)) ==
        Frames{"create " + json(R"({"id":2,"author":"bob","title":"his","email":"b@x"})"),
               "create " + json(R"({"id":1,"text":"c"})"),
               "create " + json(R"({"id":1,"author":"bob","title":"hers","email":"a@x"})")});
}

TEST_CASE("Permission Validation: Admin wildcard subscription") {
  GuardedBridge bridge;
  Subscriber admin = bridge.as("zed", {"admin"});
  admin.subscribe({"*"});
  bridge.raw_heard(admin);
  bridge.run("insert into posts values (1, 'ann', 't', 'a@x')");
  bridge.run("insert into comments values (1, 'c')");
  CHECK(records(bridge.raw_heard(admin)) ==
        Frames{"create " + json(R"({"id":1,"author":"ann","title":"t"})"),
               "create " + json(R"({"id":1,"text":"c"})")});
}

TEST_CASE("WebSocket Connection Endpoint: Authenticated connection") {
  GuardedBridge bridge;
  Subscriber ann = bridge.as("ann", {"reader"});
  CHECK(member(ann.greeting(), "user") == json(R"({"id":"ann","roles":["reader"]})"));
  ann.subscribe({"posts.*", "comments.*"});
  const auto connections = bridge.realtime().get_connections();
  REQUIRE(connections.size() == 1);
  CHECK(connections.front().patterns == Frames{"posts.*", "comments.*"});
}
