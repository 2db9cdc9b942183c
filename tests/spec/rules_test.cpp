#include "support/running_bridge.hpp"
#include "support/text.hpp"

// Who may subscribe to what: default deny, and whatever is in doubt is closed.
using namespace pgtide;
using namespace pgtide::test;

namespace {

using Frames = std::vector<std::string>;

std::string denied(const std::string& pattern) {
  return json(R"({"type":"error","code":"unauthenticated","message":"<text>","pattern":")" +
              pattern + "\"}");
}

const std::string two_tables =
    "create table posts (id int primary key, t text, secret text);"
    "create table drafts (id int primary key);"
    "select pgtide.watch('posts');";

std::string readiness(const RunningBridge& bridge) {
  return http(bridge.address(), "GET /readyz").body;
}

}  // namespace

TEST_CASE("rules: without a rules file everything is denied") {
  RunningBridge bridge({.sql = two_tables});
  Subscriber client = bridge.connect();
  for (const char* pattern : {"*", "posts.*", "posts.1", "notifications.*"})
    CHECK(client.ask_for(pattern) == denied(pattern));
}

TEST_CASE("rules: what is not listed is denied, watched or not, and * only with all") {
  RunningBridge bridge({.sql = two_tables,
                        .rules = "version: 1\ncollections:\n  news:\n    subscribe: public\n"
                                 "default: deny\n"});
  Subscriber client = bridge.connect();
  CHECK(client.ask_for("news.*") == subscribed("news.*"));
  for (const char* pattern : {"*", "posts.*", "posts.1", "unheard_of.*"})
    CHECK(client.ask_for(pattern) == denied(pattern));
}

TEST_CASE("rules: a listed table that is not watched is closed, and /readyz says the mend") {
  RunningBridge bridge(
      {.sql = two_tables, .rules = "version: 1\ncollections:\n  drafts:\n    subscribe: public\n"});
  Subscriber client = bridge.connect();
  CHECK(client.ask_for("drafts.*") == denied("drafts.*"));
  CHECK(readiness(bridge).find("run: pgtide watch public.drafts") != std::string::npos);
  bridge.run("select pgtide.watch('drafts')");  // the bridge sees it without a restart
  bridge.run("select pgtide_api.broadcast_all('1')");
  eventually([&] { return client.ask_for("drafts.*") == subscribed("drafts.*"); }, patience);
  bridge.run("insert into drafts values (1)");
  eventually([&] { return member(client.next(), "type") == "record_event"; });
  CHECK(readiness(bridge).find("pgtide watch drafts") == std::string::npos);
}

TEST_CASE("rules: a table: that is another one closes the collection") {
  RunningBridge bridge({.sql = two_tables,
                        .rules = "version: 1\ncollections:\n  posts:\n    subscribe: public\n"
                                 "    table: billing.posts\n"});
  Subscriber client = bridge.connect();
  CHECK(client.ask_for("posts.*") == denied("posts.*"));
  CHECK(readiness(bridge).find("billing.posts") != std::string::npos);
}

TEST_CASE("rules: table: names a table of another schema, under its public name") {
  RunningBridge bridge({.sql = "create schema billing;"
                               "create table billing.invoice (id int primary key);"
                               "select pgtide.watch('billing.invoice', 'invoices');",
                        .rules = "version: 1\ncollections:\n  invoices:\n    subscribe: public\n"
                                 "    table: billing.invoice\n"});
  Subscriber client = bridge.connect({"invoices.*"});
  bridge.run("insert into billing.invoice values (1)");
  const Frames frames = bridge.raw_heard(client);
  REQUIRE(frames.size() == 1);
  CHECK(member(frames.front(), "collection") == "invoices");
}

TEST_CASE("rules: hide of a column that is not there, or of the key, closes the collection") {
  for (const char* column : {"nothing", "id"}) {
    CAPTURE(column);
    RunningBridge bridge({.sql = two_tables,
                          .rules = "version: 1\nall: public\ncollections:\n  posts:\n"
                                   "    subscribe: public\n    hide: [" +
                                   std::string(column) + "]\n"});
    Subscriber client = bridge.connect({"*"});
    CHECK(client.ask_for("posts.*") == denied("posts.*"));
    CHECK(readiness(bridge).find("rules.yaml:6:12: posts: ") != std::string::npos);
    bridge.run("insert into posts values (1, 'a', 'hush')");
    CHECK(bridge.heard(client) == Frames{});  // closed for * as well
  }
}

TEST_CASE("rules: with hide, a column that is added or renamed later does not leak") {
  RunningBridge bridge({.sql = two_tables,
                        .rules = "version: 1\ncollections:\n  posts:\n    subscribe: public\n"
                                 "    hide: [secret]\n"});
  Subscriber client = bridge.connect({"posts.*"});
  bridge.run("alter table posts add column pin text");
  bridge.run("insert into posts values (1, 'a', 'hush', 'hush')");
  bridge.run("alter table posts rename secret to public_secret");
  bridge.run("insert into posts values (2, 'b', 'hush', 'hush')");
  // A renamed hidden column may close the collection, or send its other columns: never the value.
  for (const std::string& frame : bridge.raw_heard(client)) {
    CAPTURE(frame);
    CHECK(frame.find("hush") == std::string::npos);
  }
  bridge.run("select pgtide.watch('posts')");  // what the leader's look does every 30 seconds
  eventually([&] { return readiness(bridge).find("no column secret") != std::string::npos; });
  Subscriber late = bridge.connect();
  CHECK(late.ask_for("posts.*") == denied("posts.*"));
}

TEST_CASE("rules: a hidden column that takes the name of a shown one does not leak at once") {
  for (const char* renames :
       {"alter table posts rename t to was; alter table posts rename secret to t;",
        "alter table posts rename t to was; alter table posts rename secret to t;"
        "alter table posts rename was to secret;"}) {
    CAPTURE(renames);
    RunningBridge bridge({.sql = two_tables,
                          .rules = "version: 1\ncollections:\n  posts:\n    subscribe: public\n"
                                   "    hide: [secret]\n"});
    Subscriber client = bridge.connect({"posts.*"});
    bridge.run("insert into posts values (1, 'a', 'hush')");
    CHECK(member(client.next(), "record_id") == "1");
    bridge.run(std::string(renames) + "insert into posts values (2, 'b', 'hush')");
    CHECK(client.hear() == denied("posts.*"));
    CHECK(bridge.raw_heard(client) == Frames{});
    CHECK(readiness(bridge).find("when the rules were loaded") != std::string::npos);
  }
}

TEST_CASE("rules: loaded anew they may name a column that was added a moment ago") {
  RunningBridge bridge({.sql = two_tables});
  bridge.run("alter table posts add column owner text");
  bridge.write_rules(
      "version: 1\ncollections:\n  posts:\n    subscribe: public\n"
      "    where: record.owner == 'ann'\n");
  REQUIRE(bridge.bridge().reload_rules().ok());
  Subscriber client = bridge.connect({"posts.*"});
  bridge.run("insert into posts values (1, 'a', 's', 'bob'), (2, 'b', 's', 'ann')");
  CHECK(members(bridge.raw_heard(client), "record_id") == Frames{"2"});
}

TEST_CASE("rules: loaded anew they are decided for live subscriptions at once") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.*", "comments.*"});
  bridge.write_rules("version: 1\ncollections:\n  comments:\n    subscribe: public\n");
  REQUIRE(bridge.bridge().reload_rules().ok());
  CHECK(client.hear() == denied("posts.*"));
  bridge.run("insert into posts values (1, 't')");
  bridge.run("insert into comments values (1, 'a')");
  const Frames frames = bridge.raw_heard(client);
  REQUIRE(frames.size() == 1);
  CHECK(member(frames.front(), "collection") == "comments");
  CHECK(bridge.realtime().get_connections().front().patterns == Frames{"comments.*"});
}

TEST_CASE("rules: hide that comes with a reload tells live subscribers resync_required") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.*"});
  bridge.write_rules(
      "version: 1\ncollections:\n  posts:\n    subscribe: public\n"
      "    hide: [body]\n");
  REQUIRE(bridge.bridge().reload_rules().ok());
  CHECK(client.hear() ==
        json(R"({"type":"resync_required","pattern":"posts.*","reason":"permissions_changed"})"));
  bridge.run("insert into posts values (1, 't', 'hush')");
  const Frames frames = bridge.raw_heard(client);
  REQUIRE(frames.size() == 1);
  CHECK(member(frames.front(), "record") == json(R"({"id":1,"title":"t"})"));
}

TEST_CASE("rules: a bad file keeps the old rules, and every fault is named with its place") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect();
  bridge.write_rules(
      "version: 1\ncollections:\n  posts:\n    subscribe: authentcated\n"
      "    where: [a]\n    hidden: [a]\n");
  const auto loaded = bridge.bridge().reload_rules();
  REQUIRE(!loaded.ok());
  CHECK(loaded.error().kind == ErrorKind::invalid);
  const std::string path = bridge.rules_path();
  for (const std::string& place : {path + ":4:16: ", path + ":5:12: ", path + ":6:5: "}) {
    CAPTURE(loaded.error().message);
    CHECK(loaded.error().message.find(place) != std::string::npos);
  }
  CHECK(client.ask_for("posts.*") == subscribed("posts.*"));
}

TEST_CASE("rules: a file that contradicts the tables keeps the old rules, told as a whole") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.*"});
  bridge.write_rules(
      "version: 1\ncollections:\n  posts:\n    subscribe: authenticated\n"
      "    hide: [titel]\n  comments:\n    subscribe: public\n"
      "    where: \"record.text == 1 && record.txt == 'a'\"\n  news:\n    subscribe: public\n");
  const auto loaded = bridge.bridge().reload_rules();
  REQUIRE(!loaded.ok());
  CHECK(loaded.error().kind == ErrorKind::invalid);
  const std::string path = bridge.rules_path();
  for (const std::string& place : {path + ":5:12: posts: ", path + ":8:25: comments: where: ",
                                   path + ":8:33: comments: where: "}) {
    CAPTURE(loaded.error().message);
    CHECK(loaded.error().message.find(place) != std::string::npos);
  }
  // Nothing of it holds: what it would close is open, what it would open is closed.
  bridge.run("insert into posts values (1, 't')");
  CHECK(bridge.raw_heard(client).size() == 1);
  CHECK(client.ask_for("posts.1") == subscribed("posts.1"));
  CHECK(client.ask_for("news.*") == denied("news.*"));
  CHECK(readiness(bridge).find("\"problems\":[]") != std::string::npos);

  bridge.write_rules("version: 1\ncollections:\n  news:\n    subscribe: public\n");
  REQUIRE(bridge.bridge().reload_rules().ok());
  CHECK(bridge.connect().ask_for("news.*") == subscribed("news.*"));
}

TEST_CASE("rules: a file that lists a table which is not watched is loaded; that one is closed") {
  RunningBridge bridge(blog());
  bridge.run("create table drafts (id int primary key)");
  Subscriber client = bridge.connect();
  bridge.write_rules(
      "version: 1\ncollections:\n  drafts:\n    subscribe: public\n  news:\n"
      "    subscribe: public\n");
  REQUIRE(bridge.bridge().reload_rules().ok());
  CHECK(client.ask_for("news.*") == subscribed("news.*"));
  bridge.run("select pgtide_api.broadcast_all('1')");
  eventually(
      [&] { return holds(readiness(bridge), "run: pgtide watch public.drafts"); });
  CHECK(client.ask_for("drafts.*") != subscribed("drafts.*"));
}

TEST_CASE("rules: a bad file at the start, and a named one that is missing, refuse the start") {
  Folder folder;
  Config config;
  config.server.port = 0;
  config.database.url = cluster().url();
  config.rules = folder.write("rules.yaml", "version: 2\n");
  const auto bad = Bridge(config).start();
  REQUIRE(!bad.ok());
  CHECK(bad.error().kind == ErrorKind::invalid);
  config.rules = folder.path("other.yaml");
  config.rules_named = true;
  const auto missing = Bridge(config).start();
  REQUIRE(!missing.ok());
  CHECK(missing.error().message.find("rules") != std::string::npos);
}
