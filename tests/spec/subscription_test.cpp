#include "support/running_bridge.hpp"

// Subscribing and unsubscribing, patterns, limits, and the answers to what is wrong.
using namespace pgtide;
using namespace pgtide::test;

namespace {

using Frames = std::vector<std::string>;

// A create of posts(id, title, null), shown by these patterns (as JSON, without brackets).
std::string created(int id, const std::string& patterns) {
  const std::string number = std::to_string(id);
  return json(R"({"type":"record_event","collection":"posts","action":"create","record":{"id":)" +
              number + R"(,"title":"t","body":null},"timestamp":"<time>","record_id":")" + number +
              R"(","patterns":[)" + patterns + R"(],"cursor":"<cursor>"})");
}

std::string comment_created(const std::string& patterns) {
  return json(R"({"type":"record_event","collection":"comments","action":"create","record":)"
              R"({"post_id":1,"n":"a","text":null},"timestamp":"<time>","record_id":"1,a",)"
              R"("patterns":[)" +
              patterns + R"(],"cursor":"<cursor>"})");
}

std::string error(const std::string& code, const std::string& more = "") {
  return json(R"({"type":"error","code":")" + code + R"(","message":"<text>")" + more + "}");
}
std::string pattern_error(const std::string& code, const std::string& pattern) {
  return error(code, R"(,"pattern":")" + pattern + "\"");
}

std::string unsubscribed(const std::string& pattern, int removed) {
  return json(R"({"type":"unsubscribed","pattern":")" + pattern + R"(","removed":)" +
              std::to_string(removed) + "}");
}

std::string unsubscribe(const std::string& pattern) {
  return R"({"type":"unsubscribe","pattern":")" + pattern + "\"}";
}

void ask_freely(Config& config) {
  config.limits.requests_per_second = 10'000;
  config.limits.frames_per_second = 10'000;
}

void insert_post(RunningBridge& bridge, int id) {
  bridge.run("insert into posts values (" + std::to_string(id) + ", 't')");
}

}  // namespace

TEST_CASE("Collection Subscription: Subscribe to all records in a collection") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.*"});
  bridge.run("insert into posts values (1, 't')");
  bridge.run("update posts set title = 'u'");
  bridge.run("delete from posts");
  Frames actions;
  for (const std::string& frame : bridge.raw_heard(client))
    actions.push_back(member(frame, "action") + " " + member(frame, "record_id"));
  CHECK(actions == Frames{"create 1", "update 1", "delete 1"});
}

TEST_CASE("Collection Subscription: Subscribe to specific record") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.123"});
  insert_post(bridge, 12);
  insert_post(bridge, 123);
  insert_post(bridge, 1234);
  CHECK(bridge.heard(client) == Frames{created(123, R"("posts.123")")});
}

TEST_CASE("Collection Subscription: Subscribe to all collections") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"*"});
  insert_post(bridge, 1);
  bridge.run("insert into comments values (1, 'a')");
  CHECK(bridge.heard(client) == Frames{created(1, R"("*")"), comment_created(R"("*")")});
}

TEST_CASE("Collection Subscription: Multiple subscriptions per connection") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.1", "posts.2", "comments.*"});
  for (int id = 1; id <= 3; ++id) insert_post(bridge, id);
  bridge.run("insert into comments values (1, 'a')");
  CHECK(bridge.heard(client) == Frames{created(1, R"("posts.1")"), created(2, R"("posts.2")"),
                                       comment_created(R"("comments.*")")});
  CHECK(bridge.realtime().get_connections().front().patterns ==
        Frames{"posts.1", "posts.2", "comments.*"});
}

TEST_CASE("Unsubscribe from Collections: Unsubscribe from specific collection") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.*", "comments.*"});
  CHECK(client.ask(unsubscribe("posts.*")) == unsubscribed("posts.*", 1));
  insert_post(bridge, 1);
  bridge.run("insert into comments values (1, 'a')");
  CHECK(bridge.heard(client) == Frames{comment_created(R"("comments.*")")});
  CHECK(client.ask(unsubscribe("posts.*")) == unsubscribed("posts.*", 0));
  CHECK(bridge.realtime().get_connections().front().patterns == Frames{"comments.*"});
}

TEST_CASE("Unsubscribe from Collections: Unsubscribe from all") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.*", "comments.*", "*"});
  CHECK(client.ask(unsubscribe("*")) == unsubscribed("*", 3));
  insert_post(bridge, 1);
  bridge.run("select pgtide_api.broadcast('notifications', '1')");
  CHECK(bridge.heard(client) == Frames{});
  CHECK(bridge.realtime().get_connections().front().patterns == Frames{});
  CHECK(client.ask(unsubscribe("*")) == unsubscribed("*", 0));
}

TEST_CASE("Subscription Pattern Matching: Exact collection match") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.*"});
  insert_post(bridge, 1);
  CHECK(bridge.heard(client) == Frames{created(1, R"("posts.*")")});
}

TEST_CASE("Subscription Pattern Matching: Specific record match") {
  RunningBridge bridge(blog());
  Subscriber one = bridge.connect({"posts.123"});
  Subscriber all = bridge.connect({"posts.*"});
  insert_post(bridge, 123);
  CHECK(bridge.heard(one) == Frames{created(123, R"("posts.123")")});
  CHECK(bridge.heard(all) == Frames{created(123, R"("posts.*")")});
}

TEST_CASE("Subscription Pattern Matching: Wildcard match") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"*"});
  bridge.run("insert into comments values (1, 'a')");
  CHECK(bridge.heard(client) == Frames{comment_created(R"("*")")});
}

TEST_CASE("Subscription Pattern Matching: No match") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"comments.*"});
  insert_post(bridge, 1);
  CHECK(bridge.heard(client) == Frames{});
}

TEST_CASE("patterns: an event that several patterns match comes once, and names them all") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.5", "*", "posts.*"});
  insert_post(bridge, 5);
  CHECK(bridge.heard(client) == Frames{created(5, R"("*","posts.*","posts.5")")});
}

TEST_CASE("patterns: what is one, and what is not") {
  RunningBridge bridge(blog(ask_freely));
  Subscriber client = bridge.connect();
  struct Case {
    std::string pattern;
    bool valid;
    const char* why;
  };
  const Case cases[] = {
      {"*", true, "everything"},
      {"posts.*", true, "a collection"},
      {"posts.1", true, "a record, whether or not its row exists"},
      {"posts.a.b,c", true, "split at the first dot: ids may contain dots"},
      {"posts.\xc3\xa9", true, "UTF-8"},
      {"posts." + std::string(256, 'x'), true, "256 bytes"},
      {"posts." + std::string(257, 'x'), false, "257 bytes"},
      {"", false, "empty"},
      {"posts", false, "no dot"},
      {"posts.", false, "no record id"},
      {".1", false, "no collection"},
      {"*.*", false, "a star is no collection"},
      {"1posts.*", false, "begins with a digit"},
      {"po sts.*", false, "a space in the collection"},
      {std::string(64, 'a') + ".*", false, "a collection's name has 63 characters at most"},
      {"posts.a\\u0001", false, "a control character"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.why);
    CHECK(client.ask_for(one.pattern) ==
          (one.valid ? subscribed(one.pattern) : pattern_error("invalid_pattern", one.pattern)));
  }
}

TEST_CASE("patterns: a composite key is its columns joined by commas, escaped where needed") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"comments.1,a", R"(comments.2,x\\,y\\\\)"});
  bridge.run(R"(insert into comments values (1, 'a'), (1, 'b'), (2, 'x,y\'))");
  Frames ids;
  for (const std::string& frame : bridge.raw_heard(client))
    ids.push_back(member(frame, "record_id"));
  CHECK(ids == Frames{"1,a", R"(2,x\,y\\)"});
}

TEST_CASE("subscribing: a key of one column is never escaped") {
  BridgeSetup setup = blog();
  setup.sql += "create table tags (name text primary key); select pgtide.watch('tags');";
  setup.rules += "  tags:\n    subscribe: public\n";
  RunningBridge bridge(setup);
  Subscriber client = bridge.connect({"tags.a,b.c"});
  bridge.run("insert into tags values ('a,b.c'), ('a')");
  Frames ids;
  for (const std::string& frame : bridge.raw_heard(client))
    ids.push_back(member(frame, "record_id"));
  CHECK(ids == Frames{"a,b.c"});
}

TEST_CASE("subscribing: many in one request get one reply each, in order, with the id") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect();
  client.send(R"({"type":"subscribe","id":"r1","subscriptions":[{"pattern":"posts.*"},)"
              R"({"pattern":"bad pattern"},{"pattern":"secret.*"},{"pattern":"comments.*"}]})");
  const std::string id = R"(,"id":"r1")";
  CHECK(client.hear() == subscribed("posts.*", id));
  CHECK(client.hear() == error("invalid_pattern", R"(,"pattern":"bad pattern")" + id));
  CHECK(client.hear() == error("unauthenticated", R"(,"pattern":"secret.*")" + id));
  CHECK(client.hear() == subscribed("comments.*", id));
}

TEST_CASE("subscribing: the id of a request comes back as it was written") {
  RunningBridge bridge(blog(ask_freely));
  Subscriber client = bridge.connect();
  for (const char* id : {"7", "1.50", "1e3", "123456789012345678901234567890", R"("a\u00e9\"b")"}) {
    CAPTURE(id);
    client.send(R"({"type":"unsubscribe","pattern":"posts.1","id":)" + std::string(id) + "}");
    CHECK(client.next() == R"({"type":"unsubscribed","pattern":"posts.1","removed":0,"id":)" +
                               std::string(id) + "}");
  }
}

TEST_CASE("subscribing: events chooses actions, and a later subscribe replaces it") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect();
  const auto actions = [&] {
    bridge.run("insert into posts values (1, 't')");
    bridge.run("update posts set title = 'u'");
    bridge.run("delete from posts");
    Frames seen;
    for (const std::string& frame : bridge.raw_heard(client))
      seen.push_back(member(frame, "action"));
    return seen;
  };
  CHECK(client.ask(R"({"type":"subscribe","pattern":"posts.*","events":["update","delete"]})") ==
        subscribed("posts.*"));
  CHECK(actions() == Frames{"update", "delete"});
  CHECK(client.ask(R"({"type":"subscribe","pattern":"posts.*","events":["create"]})") ==
        subscribed("posts.*"));
  CHECK(actions() == Frames{"create"});
  CHECK(client.ask(R"({"type":"subscribe","pattern":"posts.*","events":[]})") ==
        error("invalid_message"));
  CHECK(actions() == Frames{"create"});  // a refused one keeps the old
  CHECK(client.ask_for("posts.*") == subscribed("posts.*"));
  CHECK(actions() == Frames{"create", "update", "delete"});
  CHECK(bridge.realtime().get_connections().front().patterns == Frames{"posts.*"});
}

TEST_CASE("subscribing: everything committed after the cursor of subscribed is sent") {
  RunningBridge bridge(blog());
  std::atomic<bool> enough = false;
  std::atomic<int> written = 0;
  std::thread busy([&] {
    Session session = bridge.database.session();
    while (!enough) {
      session.attempt("insert into posts values (" + std::to_string(++written) + ", 't')");
    }
  });
  eventually([&] { return written > 20; });
  Subscriber client = bridge.connect({"posts.*"});
  const int after = written + 1;  // not begun yet, or under way: committed after `subscribed`
  eventually([&] { return written > after + 50; });
  enough = true;
  busy.join();
  int expected = 0;
  for (const std::string& frame : bridge.raw_heard(client)) {
    const int id = std::stoi(member(frame, "record_id"));
    if (expected == 0) {
      CHECK(id <= after + 1);
      expected = id;
    }
    REQUIRE(id == expected++);
  }
  CHECK(expected == written + 1);
}

TEST_CASE("Error Handling: Invalid subscription pattern") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect();
  CHECK(client.ask_for("posts") == pattern_error("invalid_pattern", "posts"));
  CHECK(client.ask(unsubscribe("posts")) == pattern_error("invalid_pattern", "posts"));
  client.subscribe({"posts.*"});
  insert_post(bridge, 1);
  CHECK(bridge.heard(client) == Frames{created(1, R"("posts.*")")});
}

TEST_CASE("errors: each wrong message has its code, and the connection stays open") {
  RunningBridge bridge(blog(ask_freely));
  Subscriber client = bridge.connect();
  struct Case {
    std::string message;
    std::string code;
    std::string says;  // a part of the message
    const char* why;
  };
  const Case cases[] = {
      {"{", "invalid_json", "", "no JSON"},
      {"[]", "invalid_message", "", "no object"},
      {"{}", "invalid_message", "type", "no type"},
      {R"({"type":"publish"})", "unknown_type", "publish", "not for clients"},
      {R"({"type":"subscribe"})", "invalid_message", "pattern", "without a pattern"},
      {R"({"type":"subscribe","pattern":7})", "invalid_message", "pattern", "no string"},
      {R"({"type":"subscribe","pattern":"posts.*","fliter":"x"})", "invalid_message", "fliter",
       "a misspelled field must not subscribe to everything"},
      {R"({"type":"subscribe","pattern":"posts.*","pattern":"posts.1"})", "invalid_message",
       "pattern", "a field twice"},
      {R"({"type":"subscribe","subscriptions":[]})", "invalid_message", "subscriptions", "none"},
      {R"({"type":"subscribe","pattern":"posts.*","events":["insert"]})", "invalid_message",
       "create", "no such action"},
      {R"({"type":"subscribe","pattern":"posts.*","since":"x"})", "invalid_message",
       "not in this version", "resuming comes later"},
      {R"({"type":"subscribe","pattern":"posts.*","snapshot":true})", "invalid_message",
       "not in this version", "snapshots come later"},
      {R"({"type":"subscribe","pattern":"posts.*","filter":7})", "invalid_message", "filter",
       "a filter is a string"},
      {R"({"type":"auth","token":"abc"})", "invalid_token", "knows no tokens",
       "a token, and no key is configured"},
      {R"({"type":"auth"})", "invalid_message", "token", "auth without a token"},
      {R"({"type":"ping","id":")" + std::string(65, 'x') + "\"}", "invalid_message", "id",
       "an id of more than 64 bytes"},
      {R"({"type":"ping","id":{}})", "invalid_message", "id", "an id is a string or a number"},
      {std::string(2000, '['), "invalid_message", "nested", "nesting costs no stack"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.why);
    client.send(one.message);
    const std::string reply = client.next();
    CHECK(shape(reply) == error(one.code));
    CHECK(member(reply, "message").find(one.says) != std::string::npos);
  }
  CHECK(bridge.realtime().get_connections().front().patterns == Frames{});
}

TEST_CASE("Permission Validation: Unauthorized subscription attempt") {
  RunningBridge bridge({.sql = "create table secrets (id int primary key);"
                               "create table posts (id int primary key);"
                               "select pgtide.watch('secrets'), pgtide.watch('posts');",
                        .rules = "version: 1\ncollections:\n  posts:\n    subscribe: public\n"
                                 "  secrets: {}\n"});
  Subscriber client = bridge.connect({"posts.*"});
  for (const char* pattern : {"secrets.*", "secrets.1", "unlisted.*", "*"})
    CHECK(client.ask_for(pattern) == pattern_error("unauthenticated", pattern));
  bridge.run("insert into secrets values (1)");
  bridge.run("select pgtide_api.broadcast('unlisted', '1')");
  CHECK(bridge.heard(client) == Frames{});
}

TEST_CASE("errors: checks run in the order shape, rate, pattern, permission, limit") {
  RunningBridge bridge(blog([](Config& config) {
    config.limits.requests_per_second = 0.01;  // one request, then nothing for long
    config.limits.subscriptions_per_connection = 1;
  }));
  Subscriber poor = bridge.connect({"posts.*"});
  CHECK(poor.ask(R"({"type":"subscribe"})") == error("invalid_message"));
  CHECK(poor.ask_for("no pattern") == error("rate_limited", R"(,"retry_after_ms":"<ms>")"));
  CHECK(poor.ask(R"({"type":"ping"})") == json(R"({"type":"pong"})"));  // no request

  RunningBridge free(blog([](Config& config) {
    ask_freely(config);
    config.limits.subscriptions_per_connection = 1;
  }));
  Subscriber rich = free.connect({"posts.*"});
  CHECK(rich.ask_for("no pattern") == pattern_error("invalid_pattern", "no pattern"));
  CHECK(rich.ask_for("secret.*") == pattern_error("unauthenticated", "secret.*"));
  CHECK(rich.ask_for("comments.*") == pattern_error("subscription_limit", "comments.*"));
}

TEST_CASE("Subscription Limits: Subscription limit enforcement") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect();
  std::string batch;
  for (int i = 0; i < 100; ++i) {
    batch += (i == 0 ? "" : ",") + (R"({"pattern":"posts.)" + std::to_string(i) + "\"}");
  }
  client.send(R"({"type":"subscribe","subscriptions":[)" + batch + "]}");
  for (int i = 0; i < 100; ++i) REQUIRE(client.hear() == subscribed("posts." + std::to_string(i)));
  CHECK(client.ask_for("posts.100") == pattern_error("subscription_limit", "posts.100"));
  CHECK(client.ask_for("posts.99") == subscribed("posts.99"));  // held already: counts once
  CHECK(client.ask(unsubscribe("posts.0")) == unsubscribed("posts.0", 1));
  CHECK(client.ask_for("posts.100") == subscribed("posts.100"));
  CHECK(bridge.realtime().get_connections().front().patterns.size() == 100);
}

TEST_CASE("Subscription Limits: Rate limiting") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect();
  const std::string limited = error("rate_limited", R"(,"retry_after_ms":"<ms>")");
  for (int i = 0; i < 40; ++i)  // in one go: well within a second
    client.send(R"({"type":"subscribe","pattern":"posts.)" + std::to_string(i) + "\"}");
  Frames refused;
  int accepted = 0;
  for (int i = 0; i < 40; ++i) {
    const std::string reply = client.next();
    if (shape(reply) == limited) {
      CHECK(std::stoi(member(reply, "retry_after_ms")) <= 100);  // ten a second
      refused.push_back(reply);
    } else {
      CHECK(shape(reply) == subscribed("posts." + std::to_string(i)));
      ++accepted;
    }
  }
  CHECK(accepted >= 10);
  CHECK(accepted <= 20);  // a slow machine earns a token or some meanwhile
  CHECK(bridge.realtime().get_connections().front().patterns.size() ==
        static_cast<std::size_t>(accepted));
  eventually([&] { return client.ask_for("posts.41") == subscribed("posts.41"); });
}

TEST_CASE("limits: past limits.frames_per_second the server reads more slowly, and loses nothing") {
  RunningBridge bridge(blog([](Config& config) { config.limits.frames_per_second = 50; }));
  Subscriber client = bridge.connect();
  const auto start = std::chrono::steady_clock::now();
  // What was read in one go is answered at once, and paid for by the next read.
  for (int i = 0; i < 80; ++i) client.send(R"({"type":"ping","id":)" + std::to_string(i) + "}");
  for (int i = 0; i < 80; ++i) REQUIRE(member(client.next(), "id") == std::to_string(i));
  CHECK(client.ask(R"({"type":"ping"})") == json(R"({"type":"pong"})"));
  CHECK(std::chrono::steady_clock::now() - start > std::chrono::milliseconds{500});
}
