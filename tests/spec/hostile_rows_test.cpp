#include "support/running_bridge.hpp"
#include "support/serving.hpp"

// Rows that are far longer than any frame, as whoever may write to a watched table can make them:
// what the program takes for them does not grow with them, those beside them come as ever, and
// rules decide on what they name or show nothing.
using namespace pgtide;
using namespace pgtide::test;

namespace {

using Frames = std::vector<std::string>;

// What the program may take for rows on their way, whatever their size (docs/capture.md, "Long
// rows"), and for having served somebody at all.
constexpr std::size_t rows_bytes_max = 50'331'648;

// The program, and one who reads all posts.
struct RowHall {
  explicit RowHall(const std::string& sql = {}, const std::string& rules = {}) {
    if (!sql.empty()) stage.database.run(sql);
    if (!rules.empty()) stage.folder.write("rules.yaml", rules);
    serving.emplace(stage, "port");
    reader.emplace(serving->address());
    reader->subscribe({"posts.*"});
    stage.database.run("insert into posts values (0, 'first')");
    (void)heard();
    at_first = serving->peak_bytes();
  }
  // What the reader gets of all that is committed by now.
  Frames heard() {
    stage.database.run("select pgtide_api.broadcast_all('\"end\"')");
    Frames frames;
    for (;;) {
      std::string frame = reader->next();
      if (member(frame, "data") == "end") return frames;
      frames.push_back(std::move(frame));
    }
  }
  void check_memory() {
    const std::size_t grown = serving->peak_bytes() - at_first;
    MESSAGE("grown by ", grown / 1'048'576, " MiB");
#ifndef PGTIDE_SANITIZE
    CHECK(grown < rows_bytes_max);
#endif
    CHECK(serving->complaints() == Frames{});
  }

  Stage stage;
  std::optional<Serving> serving;
  std::optional<Subscriber> reader;
  std::size_t at_first = 0;
};

Frames records_of(const Frames& frames) {
  Frames records;
  for (const std::string& frame : frames) {
    const std::string record = member(frame, "record");
    records.push_back(member(frame, "action") + " " +
                      (record.size() > 100 ? std::to_string(record.size()) + " bytes" : record) +
                      (member(frame, "changed").empty() ? "" : " " + member(frame, "changed")) +
                      (member(frame, "truncated") == "true" ? " truncated" : ""));
  }
  return records;
}

// Six million characters, more than are read of a row.
const std::string long_text = "repeat('x', 6000000)";

BridgeSetup papers(const std::string& rules) {
  return {.sql = "create table papers (id int primary key, owner text, body text);"
                 "select pgtide.watch('papers');",
          .rules = "version: 1\ncollections:\n  papers:\n    subscribe: public\n" + rules};
}

}  // namespace

TEST_CASE("rows: one of 60 MB comes by its key among small ones, and takes no more memory") {
  RowHall hall;
  hall.stage.database.run(
      "insert into posts select n, repeat('x', case n when 3 then 60000000 else 5 end) "
      "from generate_series(1, 5) n");
  const std::string small = R"(,"title":"xxxxx"})";
  CHECK(records_of(hall.heard()) ==
        Frames{"create {\"id\":1" + small, "create {\"id\":2" + small,
               "create {\"id\":3} truncated", "create {\"id\":4" + small,
               "create {\"id\":5" + small});
  hall.stage.database.run("update posts set title = title || 'y' where id = 3");
  hall.stage.database.run("update posts set id = 6 where id = 3");
  hall.stage.database.run("delete from posts where id = 6");
  CHECK(records_of(hall.heard()) ==
        Frames{R"(update {"id":3} ["title"] truncated)", R"(delete {"id":3})",
               R"(create {"id":6} truncated)", R"(delete {"id":6})"});
  hall.check_memory();
}

TEST_CASE("rows: many of 4 MB in one statement come in order, and are never there together") {
  RowHall hall;
  hall.stage.database.run(
      "insert into posts select n, repeat('x', 4000000) from generate_series(1, 40) n");
  Frames expected;
  for (int n = 1; n <= 40; ++n) {
    expected.push_back("create {\"id\":" + std::to_string(n) + "} truncated");
  }
  CHECK(records_of(hall.heard()) == expected);
  hall.check_memory();
}

TEST_CASE("rows: keys of 200 KB, a thousand in one statement, are never there together") {
  RowHall hall(
      "create table keyed (k text primary key); select pgtide.watch('keyed')",
      "version: 1\nall: public\ncollections:\n  posts:\n    subscribe: public\n"
      "  keyed:\n    subscribe: public\n");
  hall.stage.database.run(
      "insert into keyed select repeat('k', 200000) || n from generate_series(1, 1000) n");
  hall.stage.database.run("insert into posts values (1, 'last')");
  CHECK(records_of(hall.heard()) == Frames{R"(create {"id":1,"title":"last"})"});
  hall.check_memory();
}

TEST_CASE("rows: what a row says is never taken for what the server says of the schema") {
  RowHall hall("alter table posts add doc json; select pgtide.watch('posts')");
  const std::string sequence =
      *hall.stage.database.value("select 'pgtide.current'::regclass::oid");
  int id = 0;
  for (const std::string& says :
       Frames{"could not open relation with OID " + sequence, "pgtide_schema_was_replaced"}) {
    CAPTURE(says);
    // PostgreSQL takes such a row apart for us, fails at the \u0000, and quotes what stands there.
    hall.stage.database.run("insert into posts values (" + std::to_string(++id) +
                            ", repeat('x', 5000000), '{\"k\":\"" + says + " \\u0000\"}')");
    hall.stage.database.run("insert into posts values (" + std::to_string(++id) + ", 'next')");
    const Frames heard = hall.heard();
    REQUIRE(heard.size() == 2);
    CHECK(member(heard[1], "record_id") == std::to_string(id));
  }
  CHECK(hall.serving->complaints() == Frames{});
}

TEST_CASE("rows: a rule on a short column of a long row decides by its value") {
  RunningBridge bridge(papers("    where: record.owner == 'ann'\n"));
  Subscriber client = bridge.connect({"papers.*"});
  bridge.run("insert into papers values (1, 'ann', " + long_text + ")");
  bridge.run("insert into papers values (2, 'bob', " + long_text + ")");
  bridge.run("update papers set owner = 'eve' where id = 1");
  bridge.run("update papers set body = body || 'y' where id = 1");
  bridge.run("update papers set owner = 'ann', body = null where id = 1");
  bridge.run("update papers set body = " + long_text + " where id = 1");
  bridge.run("delete from papers");
  CHECK(records_of(bridge.raw_heard(client)) ==
        Frames{R"(create {"id":1} truncated)", R"(delete {"id":1})",
               R"(create {"body":null,"id":1,"owner":"ann"})",
               R"(update {"id":1} ["body"] truncated)", R"(delete {"id":1})"});
}

TEST_CASE("rows: a rule on a value that is too long shows nothing, however it is asked") {
  for (const char* rule : {"record.body != 'secret'", "record.body == null",
                           "!(record.body == null)", "size(record.body) > 1",
                           "record.owner == 'ann' && record.body != 'secret'"}) {
    CAPTURE(rule);
    RunningBridge bridge(papers("    where: \"" + std::string(rule) + "\"\n"));
    Subscriber client = bridge.connect({"papers.*"});
    bridge.run("insert into papers values (1, 'ann', " + long_text + ")");
    bridge.run("update papers set owner = 'ann2'");
    bridge.run("update papers set owner = 'ann', body = " + long_text + " || 'z'");
    bridge.run("delete from papers");
    CHECK(bridge.heard(client) == Frames{});
  }
}

TEST_CASE("rows: what a rule needs not ask of a long value, it decides without") {
  RunningBridge bridge(papers("    where: record.owner == 'ann' || record.body == 'open'\n"));
  Subscriber client = bridge.connect({"papers.*"});
  bridge.run("insert into papers values (1, 'ann', " + long_text + ")");
  bridge.run("insert into papers values (2, 'bob', " + long_text + ")");
  bridge.run("insert into papers values (3, 'bob', 'open')");
  CHECK(records_of(bridge.raw_heard(client)) ==
        Frames{R"(create {"id":1} truncated)", R"(create {"body":"open","id":3,"owner":"bob"})"});
}

TEST_CASE("rows: a filter on a short column of a long row decides, one on a long value does not") {
  RunningBridge bridge(papers(""));
  Subscriber by_owner = bridge.connect();
  Subscriber by_body = bridge.connect();
  (void)by_owner.ask(
      R"({"type":"subscribe","pattern":"papers.*","filter":"record.owner == 'ann'"})");
  (void)by_body.ask(R"({"type":"subscribe","pattern":"papers.*","filter":"record.body != 'x'"})");
  bridge.run("insert into papers values (1, 'ann', " + long_text + "), (2, 'bob', " + long_text +
             "), (3, 'ann', 'y')");
  CHECK(records_of(bridge.raw_heard(by_owner)) ==
        Frames{R"(create {"id":1} truncated)", R"(create {"body":"y","id":3,"owner":"ann"})"});
  CHECK(records_of(bridge.raw_heard(by_body)) ==
        Frames{R"(create {"body":"y","id":3,"owner":"ann"})"});
}

TEST_CASE("rows: where the long column is hidden the rest comes whole, and it is never told of") {
  RunningBridge bridge(papers("    hide: [body]\n    old: true\n    deleted_record: full\n"));
  Subscriber client = bridge.connect({"papers.*"});
  bridge.run("insert into papers values (1, 'ann', " + long_text + ")");
  bridge.run("update papers set body = body || 'y'");  // nothing that is seen
  bridge.run("update papers set owner = 'bob'");
  bridge.run("delete from papers");
  const Frames frames = bridge.raw_heard(client);
  CHECK(records_of(frames) ==
        Frames{R"(create {"id":1,"owner":"ann"})", R"(update {"id":1,"owner":"bob"} ["owner"])",
               R"(delete {"id":1,"owner":"bob"})"});
  CHECK(members(frames, "old") == Frames{"", R"({"id":1,"owner":"ann"})", ""});
  for (const std::string& frame : frames) {
    CHECK(frame.find("body") == std::string::npos);
    CHECK(frame.find('~') == std::string::npos);
  }
}

TEST_CASE("rows: of long rows too, changed names what has changed, and old is left out") {
  RunningBridge bridge(papers("    old: true\n    deleted_record: full\n"));
  Subscriber client = bridge.connect({"papers.*"});
  bridge.run("insert into papers values (1, 'ann', " + long_text + ")");
  bridge.run("update papers set owner = owner");
  bridge.run("update papers set owner = 'bob'");
  bridge.run("update papers set body = repeat('y', 6000000)");
  bridge.run("update papers set owner = " + long_text);
  bridge.run("delete from papers");
  const Frames frames = bridge.raw_heard(client);
  CHECK(records_of(frames) ==
        Frames{R"(create {"id":1} truncated)", R"(update {"id":1} ["owner"] truncated)",
               R"(update {"id":1} ["body"] truncated)", R"(update {"id":1} ["owner"] truncated)",
               R"(delete {"id":1} truncated)"});
  for (const std::string& frame : frames) CHECK(frame.size() < 1'000);
}

TEST_CASE("rows: one of very many middling columns keeps the shortest of them, and the key") {
  std::string columns;
  std::string values;
  for (int n = 1; n <= 60; ++n) {
    columns += ", c" + std::to_string(n) + " text";
    values += ", repeat('x', " + std::to_string(n * 4'000) + ")";
  }
  BridgeSetup setup{
      .sql = "create table wide (k text primary key" + columns + ");" +
             "select pgtide.watch('wide');",
      .rules = "version: 1\ncollections:\n  wide:\n    subscribe: public\n"
               "    where: size(record.c1) == 4000 && size(record.c20) == 80000\n"
               "    show: [c1, c2]\n"};
  RunningBridge bridge(setup);
  Subscriber client = bridge.connect({"wide.*"});
  bridge.run("insert into wide values (repeat('k', 150000)" + values + ")");
  const Frames frames = bridge.raw_heard(client);
  REQUIRE(frames.size() == 1);
  CHECK(member(frames[0], "truncated").empty());
  CHECK(member(frames[0], "record").size() > 150'000 + 4'000 + 8'000);
}

TEST_CASE("rows: one that PostgreSQL cannot take apart comes by its key, or as a resync") {
  const std::string odd =
      "(" + ("'\"\\u0000' || " + long_text + " || '\"'") + ")::json";  // no text has such a letter
  BridgeSetup setup{.sql = "create table posts (id int primary key, j json);"
                           "create table ruled (id int primary key, j json);"
                           "select pgtide.watch('posts'), pgtide.watch('ruled');",
                    .rules = "version: 1\ncollections:\n  posts:\n    subscribe: public\n"
                             "  ruled:\n    subscribe: public\n    where: record.id > 0\n"};
  RunningBridge bridge(setup);
  Subscriber client = bridge.connect({"posts.*", "ruled.*"});
  bridge.run("insert into posts values (1, " + odd + ")");
  bridge.run("update posts set id = 1, j = '1'");
  bridge.run("delete from posts");
  bridge.run("insert into ruled values (1, " + odd + ")");
  bridge.run("insert into ruled values (2, '1')");
  const Frames frames = bridge.heard(client);
  CHECK(frames.size() == 5);
  CHECK(members(frames, "record") ==
        Frames{R"({"id":"1"})", R"({"id":"1"})", R"({"id":1})", "", R"({"id":2,"j":1})"});
  CHECK(members(frames, "truncated") == Frames{"true", "true", "", "", ""});
  CHECK(member(frames[3], "reason") == "schema_changed");
  CHECK(bridge.metric("pgtide_changes_skipped_total") == 0);
}
