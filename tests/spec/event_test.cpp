#include <algorithm>

#include "support/running_bridge.hpp"

// What a change of a row looks like to a client: whole frames.
using namespace pgtide;
using namespace pgtide::test;

namespace {

using Frames = std::vector<std::string>;

// A record event of posts as posts.* shows it. `more` are further members, each after a comma.
std::string event(const std::string& action, const std::string& record, const std::string& id,
                  const std::string& more = "") {
  return json(R"({"type":"record_event","collection":"posts","action":")" + action +
              R"(","record":)" + record + R"(,"timestamp":"<time>","record_id":)" + id +
              R"(,"patterns":["posts.*"],"cursor":"<cursor>")" + more + "}");
}

std::string created(const std::string& record, const std::string& id) {
  return event("create", record, "\"" + id + "\"");
}

// One table, `posts`, with these columns, and rules that add these lines to its entry.
BridgeSetup posts_of(const std::string& columns, const std::string& rule_lines = "",
                     const std::string& watch_arguments = "") {
  return {.sql = "create table posts (" + columns + "); select pgtide.watch('posts'" +
                 watch_arguments + ");",
          .rules = "version: 1\nall: public\ncollections:\n  posts:\n    subscribe: public\n" +
                   rule_lines};
}

}  // namespace

TEST_CASE("Automatic CRUD Event Broadcasting: Record creation event") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.*"});
  bridge.run("insert into posts values (1, 'Hi', 'all of it')");
  CHECK(bridge.heard(client) ==
        Frames{created(R"({"id":1,"title":"Hi","body":"all of it"})", "1")});
}

TEST_CASE("Automatic CRUD Event Broadcasting: Record update event") {
  RunningBridge bridge(blog());
  bridge.run("insert into posts values (1, 'Hi', 'body')");
  Subscriber client = bridge.connect({"posts.*"});
  bridge.run("update posts set title = 'Ho' where id = 1");
  CHECK(bridge.heard(client) == Frames{event("update", R"({"id":1,"title":"Ho","body":"body"})",
                                             R"("1")", R"(,"changed":["title"])")});
}

TEST_CASE("Automatic CRUD Event Broadcasting: Record deletion event") {
  RunningBridge bridge(blog());
  bridge.run("insert into posts values (1, 'Hi', 'body')");
  Subscriber client = bridge.connect({"posts.*"});
  bridge.run("delete from posts");
  CHECK(bridge.heard(client) == Frames{event("delete", R"({"id":1})", R"("1")")});
}

TEST_CASE("Automatic CRUD Event Broadcasting: Specific record subscription") {
  RunningBridge bridge(blog());
  bridge.run("insert into posts values (123, 'Hi'), (124, 'Hi')");
  Subscriber one = bridge.connect({"posts.123"});
  Subscriber all = bridge.connect({"posts.*"});
  bridge.run("update posts set title = 'Ho' where id = 123");
  CHECK(members(bridge.raw_heard(one), "patterns") == Frames{R"(["posts.123"])"});
  CHECK(members(bridge.raw_heard(all), "patterns") == Frames{R"(["posts.*"])"});
}

TEST_CASE("Event Message Format: Create event format") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.*"});
  const auto before = bridge.writer.value("select clock_timestamp()");
  bridge.run("insert into posts values (1, 'Hi')");
  const auto after = bridge.writer.value("select clock_timestamp()");
  const std::string frame = client.next();
  CHECK(shape(frame) == created(R"({"id":1,"title":"Hi","body":null})", "1"));
  CHECK(bridge.writer.value("select $1::timestamptz between $2::timestamptz and $3::timestamptz",
                            {member(frame, "timestamp"), *before, *after}) == "t");
}

TEST_CASE("Event Message Format: Update event format") {
  BridgeSetup setup = blog();
  RunningBridge bridge(setup);
  bridge.run("insert into posts values (1, 'Hi', 'b')");
  Subscriber client = bridge.connect({"posts.*"});
  bridge.run("update posts set body = null, title = 'Ho'");
  bridge.run("update posts set title = 'Ho'");  // changes nothing: sends nothing
  CHECK(bridge.heard(client) == Frames{event("update", R"({"id":1,"title":"Ho","body":null})",
                                             R"("1")", R"(,"changed":["title","body"])")});
}

TEST_CASE("Event Message Format: Delete event format") {
  struct Case {
    std::string columns;
    std::string values;
    std::string record;
    std::string id;
    const char* why;
  };
  const Case cases[] = {
      {"id bigint primary key, t text", "7, 'x'", R"({"id":7})", "7", "the key is called id"},
      {"slug text primary key, t text", "'a', 'x'", R"({"slug":"a","id":"a"})", "a",
       "id is the record id where no key column is called so"},
      {"a int, b text, t text, primary key (b, a)", "1, 'x', 'y'", R"({"b":"x","a":1,"id":"x,1"})",
       "x,1", "a composite key, in its own order"},
      {"id int, b text, t text, primary key (id, b)", "1, 'x', 'y'", R"({"id":1,"b":"x"})", "1,x",
       "a key column called id keeps its value"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.why);
    RunningBridge bridge(posts_of(one.columns));
    Subscriber client = bridge.connect({"posts.*"});
    bridge.run("insert into posts values (" + one.values + "); ");
    bridge.run("delete from posts");
    CHECK(bridge.heard(client).back() == event("delete", one.record, "\"" + one.id + "\""));
  }
}

TEST_CASE("events: truncate is one event with a null record, to the table's and each record's") {
  RunningBridge bridge(blog());
  bridge.run("insert into posts values (1, 'Hi'), (2, 'Hi')");
  Subscriber all = bridge.connect({"posts.*"});
  Subscriber some = bridge.connect({"posts.1", "posts.99", "*"});
  Subscriber other = bridge.connect({"comments.*"});
  bridge.run("truncate posts");
  CHECK(bridge.heard(all) == Frames{event("truncate", "null", "null")});
  CHECK(members(bridge.raw_heard(some), "patterns") == Frames{R"(["*","posts.1","posts.99"])"});
  CHECK(bridge.heard(other) == Frames{});
}

TEST_CASE("events: an update of the key is a delete of the old record id, then a create") {
  RunningBridge bridge(blog());
  bridge.run("insert into posts values (1, 'Hi')");
  Subscriber client = bridge.connect({"posts.*"});
  Subscriber old_id = bridge.connect({"posts.1"});
  bridge.run("update posts set id = 2");
  CHECK(bridge.heard(client) == Frames{event("delete", R"({"id":1})", R"("1")"),
                                       created(R"({"id":2,"title":"Hi","body":null})", "2")});
  CHECK(members(bridge.raw_heard(old_id), "action") == Frames{"delete"});
}

TEST_CASE("events: deleted_record: full sends the whole old row, old: true the row before") {
  RunningBridge bridge(
      posts_of("id int primary key, t text", "    deleted_record: full\n    old: true\n"));
  bridge.run("insert into posts values (1, 'a')");
  Subscriber client = bridge.connect({"posts.*"});
  bridge.run("update posts set t = 'b'");
  bridge.run("delete from posts");
  CHECK(bridge.heard(client) == Frames{event("update", R"({"id":1,"t":"b"})", R"("1")",
                                             R"(,"changed":["t"],"old":{"id":1,"t":"a"})"),
                                       event("delete", R"({"id":1,"t":"b"})", R"("1")")});
}

TEST_CASE("events: hidden columns are nowhere, and their updates alone are not sent") {
  RunningBridge bridge(posts_of("id int primary key, t text, secret text",
                                "    hide: [secret]\n    deleted_record: full\n    old: true\n"));
  Subscriber client = bridge.connect({"posts.*", "*"});
  bridge.run("insert into posts values (1, 'a', 'hush1')");
  bridge.run("update posts set secret = 'hush2'");
  bridge.run("update posts set t = 'b', secret = 'hush3'");
  bridge.run("delete from posts");
  const Frames frames = bridge.raw_heard(client);
  CHECK(members(frames, "action") == Frames{"create", "update", "delete"});
  CHECK(members(frames, "changed") == Frames{"", R"(["t"])", ""});
  for (const std::string& frame : frames) {
    CAPTURE(frame);
    CHECK(frame.find("hush") == std::string::npos);
    CHECK(frame.find("secret") == std::string::npos);
  }
}

TEST_CASE("events: a table watched without its old rows has no changed") {
  RunningBridge bridge(posts_of("id int primary key, t text", "", ", old_rows => false"));
  bridge.run("insert into posts values (1, 'a')");
  Subscriber client = bridge.connect({"posts.*"});
  bridge.run("update posts set t = 'b'");
  bridge.run("delete from posts");
  CHECK(bridge.heard(client) == Frames{event("update", R"({"id":1,"t":"b"})", R"("1")"),
                                       event("delete", R"({"id":1})", R"("1")")});
}

TEST_CASE("events: the text of numbers and times is PostgreSQL's own, under fixed settings") {
  RunningBridge bridge(
      posts_of("id bigint primary key, n numeric, d float8, at timestamptz, "
               "b bytea, j json"));
  Subscriber client = bridge.connect({"posts.*"});
  bridge.run(
      "set timezone = 'Asia/Tokyo'; set bytea_output = 'escape'; set extra_float_digits = 0;"
      "insert into posts values (9223372036854775807, "
      "1234567890123456789012345678901234567890.10, 0.1::float8 + 0.2::float8, "
      "'2026-01-02 03:04:05+09', '\\xff', '{\"a\": 1.0,  \"a\":2}')");
  const std::string frame = client.next();
  CAPTURE(frame);
  CHECK(frame.find(R"("record":{"id":9223372036854775807,)"
                   R"("n":1234567890123456789012345678901234567890.10,"d":0.30000000000000004,)"
                   R"("at":"2026-01-01T18:04:05+00:00","b":"\\xff","j":{"a": 1.0,  "a":2}})") !=
        std::string::npos);
}

TEST_CASE("events: one subscriber sees the changes of a record in commit order") {
  RunningBridge bridge(blog());
  bridge.run("insert into posts values (1, '0')");
  Subscriber client = bridge.connect({"posts.1"});
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&bridge] {
      Session session = bridge.database.session();
      for (int n = 0; n < 50; ++n)
        session.attempt("update posts set title = (title::int + 1)::text where id = 1");
    });
  }
  for (std::thread& writer : writers) writer.join();
  const Frames frames = bridge.raw_heard(client);
  REQUIRE(frames.size() == 200);
  for (std::size_t i = 0; i < frames.size(); ++i)
    REQUIRE(member(member(frames[i], "record"), "title") == std::to_string(i + 1));
}

TEST_CASE("events: what is rolled back sends nothing, a savepoint included") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.*"});
  bridge.run("begin; insert into posts values (1, 'a'); rollback");
  bridge.run(
      "begin; insert into posts values (2, 'a'); savepoint s; "
      "insert into posts values (3, 'a'); rollback to s; insert into posts values (4, 'a'); "
      "commit");
  CHECK(members(bridge.raw_heard(client), "record_id") == Frames{"2", "4"});
}

TEST_CASE("events: a cursor tells nobody how much others write") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.*"});
  bridge.run("insert into posts values (1, 'a')");
  bridge.run("insert into posts values (2, 'a')");
  const Frames cursors = members(bridge.raw_heard(client), "cursor");
  REQUIRE(cursors.size() == 2);
  // Next to each other in the log, and nothing of the one stands in the other at the same place.
  std::size_t alike = 0;
  for (std::size_t at = 0; at < std::min(cursors[0].size(), cursors[1].size()); ++at) {
    if (cursors[0][at] == cursors[1][at]) ++alike;
  }
  CHECK(alike < 16);  // by chance one of 64, of 64 characters
}

TEST_CASE("events: each has a cursor of its own") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.*"});
  bridge.run("insert into posts values (1, 'a'), (2, 'a'), (3, 'a')");
  Frames cursors = members(bridge.raw_heard(client), "cursor");
  REQUIRE(cursors.size() == 3);
  for (const std::string& cursor : cursors) CHECK(cursor.size() <= 64);
  CHECK(cursors[0] != cursors[1]);
  CHECK(cursors[1] != cursors[2]);
}

TEST_CASE("events: a row of 20 KB arrives whole") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.*"});
  bridge.run("insert into posts values (1, 'big', repeat('x', 20000))");
  CHECK(
      bridge.heard(client) ==
      Frames{created(R"({"id":1,"title":"big","body":")" + std::string(20'000, 'x') + "\"}", "1")});
}

TEST_CASE("events: a row of 5 MB commits, and arrives as its key with truncated") {
  RunningBridge bridge(blog());
  bridge.run("insert into comments values (1, 'a', repeat('x', 2000000))");
  Subscriber client = bridge.connect({"posts.*", "comments.*"});
  bridge.run("insert into posts select 1, 'big', repeat('x', 5000000)");
  bridge.run("update posts set title = 'bigger'");
  bridge.run("delete from posts");
  bridge.run("update comments set text = repeat('y', 2000000)");
  CHECK(bridge.heard(client) ==
        Frames{event("create", R"({"id":1})", R"("1")", R"(,"truncated":true)"),
               event("update", R"({"id":1})", R"("1")", R"(,"changed":["title"],"truncated":true)"),
               event("delete", R"({"id":1})", R"("1")"),
               json(R"({"type":"record_event","collection":"comments","action":"update","record":)"
                    R"({"post_id":1,"n":"a","id":"1,a"},"changed":["text"],"truncated":true,)"
                    R"("timestamp":"<time>","record_id":"1,a","patterns":["comments.*"],)"
                    R"("cursor":"<cursor>"})")});
}

TEST_CASE("events: limits.event_bytes is the size of the whole frame") {
  RunningBridge bridge(blog([](Config& config) { config.limits.event_bytes = 1000; }));
  Subscriber client = bridge.connect({"posts.*"});
  std::size_t frame_bytes = 0;
  for (int length = 700; length < 1000; ++length) {
    bridge.run("insert into posts values (" + std::to_string(length) + ", null, repeat('x', " +
               std::to_string(length) + "))");
    const std::string frame = client.next();
    const bool truncated = member(frame, "truncated") == "true";
    if (truncated) {
      CHECK(frame_bytes + 4 == 1000);  // the longest whole one: payload and header
      return;
    }
    frame_bytes = frame.size();
  }
  FAIL("never truncated");
}

TEST_CASE("Error Handling: Serialization error") {
  RunningBridge bridge(posts_of("id int primary key"));
  Subscriber client = bridge.connect({"posts.*"});
  const auto unreadable = [](const std::string& id) {
    return "insert into pgtide.log0 (collection, action, record, record_hash, new_row) "
           "select id, 'c', '" + id + "', hashtext('" + id + "'), '[1]' from pgtide.collection; ";
  };
  bridge.run("insert into posts values (1)");
  bridge.run(unreadable("2"));
  const std::string resync =
      json(R"({"type":"resync_required","pattern":"posts.*","reason":"schema_changed"})");
  CHECK(bridge.heard(client) == Frames{created(R"({"id":1})", "1"), resync});
  bridge.run("begin; insert into posts values (3); " + unreadable("4") + unreadable("5") +
             "insert into posts values (6); commit");
  CHECK(bridge.heard(client) == Frames{created(R"({"id":3})", "3"), resync,  // once in a tick
                                       created(R"({"id":6})", "6")});
  CHECK(bridge.metric("pgtide_changes_skipped_total") == 3);
  const std::string told = "changes of collection posts that could not be sent were skipped: 3, ";
  std::string ready;
  eventually([&] {
    ready = http(bridge.operators(), "GET /readyz").body;
    return ready.find(told) != std::string::npos;
  }, patience, [&] { return ready; });
}

TEST_CASE("Error Handling: Client disconnect during broadcast") {
  RunningBridge bridge(blog([](Config& config) { config.server.threads = 1; }));
  Subscriber steady = bridge.connect({"posts.*"});
  {
    Subscriber leaving = bridge.connect({"posts.*"});
    bridge.run(
        "insert into posts select n, repeat('t', 1000), null from generate_series(1, 5000) n");
    CHECK(member(leaving.next(), "record_id") == "1");
    leaving.cut();
  }
  for (int id = 1; id <= 5000; ++id)
    REQUIRE(member(steady.next(), "record_id") == std::to_string(id));
  eventually([&] { return bridge.realtime().get_connections().size() == 1; });
  CHECK(bridge.realtime().get_connections().front().id == steady.id());
  bridge.run("insert into posts values (5001, 't')");
  CHECK(members(bridge.raw_heard(steady), "record_id") == Frames{"5001"});
}

TEST_CASE("events: a reader past its backlog is told resync_required, and goes on live") {
  RunningBridge bridge(blog([](Config& config) {
    config.limits.backlog_bytes = 65'536;
    config.limits.event_bytes = 65'536;
  }));
  Subscriber slow = bridge.connect({"posts.*"});
  Subscriber healthy = bridge.connect({"comments.*"});
  const auto burst = [&](int round) {  // some 8 MB, more than the sockets' buffers take
    bridge.run("insert into posts select n, repeat('t', 1000), null from generate_series(" +
               std::to_string(round * 8000 + 1) + ", " + std::to_string(round * 8000 + 8000) +
               ") n");
  };
  int rounds = 0;
  eventually(
      [&] {
        burst(rounds++);
        return bridge.metric("pgtide_fell_behind_total") > 0;
      },
      std::chrono::seconds{60});
  CHECK(bridge.heard(healthy) == Frames{});  // nobody else waits for the slow one
  std::string frame;
  while (member(frame = slow.next(), "type") == "record_event") {
  }
  CHECK(shape(frame) == json(R"({"type":"resync_required","reason":"fell_behind"})"));
  // What was under way when the burst ended may still come; the last one is live.
  bridge.run("insert into posts values (0, 'live')");
  CHECK(member(bridge.raw_heard(slow).back(), "record_id") == "0");
}

TEST_CASE("events: a table that is watched anew in another shape is resync_required") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.*"});
  Subscriber other = bridge.connect({"comments.*"});
  bridge.run("alter table posts add column extra int; select pgtide.watch('posts')");
  bridge.run("insert into posts values (1, 'Hi', null, 7)");
  CHECK(bridge.heard(client) ==
        Frames{json(R"({"type":"resync_required","pattern":"posts.*","reason":"schema_changed"})"),
               created(R"({"id":1,"title":"Hi","body":null,"extra":7})", "1")});
  CHECK(bridge.heard(other) == Frames{});
}

TEST_CASE("events: one statement over 20,000 rows arrives whole and in order") {
  RunningBridge bridge(blog());
  Subscriber client = bridge.connect({"posts.*"});
  bridge.run("insert into posts select n, 't', null from generate_series(1, 20000) n");
  for (int id = 1; id <= 20'000; ++id) {
    const std::string frame = client.next();
    const std::string wanted = R"("record":{"id":)" + std::to_string(id) + ",";
    if (frame.find(wanted) == std::string::npos) FAIL(frame, " is not ", id);
  }
  CHECK(bridge.heard(client) == Frames{});
}
