// What tables and values look like in the log, and what is refused.
#include <doctest/doctest.h>
#include <libpq-fe.h>

#include "support/installed_database.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

// A database with pgtide in it, and one session.
struct Installed {
  explicit Installed(const std::string& options = "") : database(options) {
    session.emplace(database.session());
  }
  std::vector<Row> run(const std::string& sql) { return session->run(sql); }

  // The log since the last call, as "action record".
  std::string changes() {
    std::string text;
    for (const Row& row : run("select action, record, id from pgtide.log where id > " + seen +
                              " order by id")) {
      text += (text.empty() ? "" : ", ") + row[0] + (row[1] == "NULL" ? "" : " " + row[1]);
      seen = row[2];
    }
    return text;
  }

  InstalledDatabase database;
  std::optional<Session> session;
  std::string seen = "0";
};

struct Shape {
  const char* why;
  const char* table;   // create statements; the table is called t
  const char* change;
  const char* record;  // the record id
  const char* row;     // new_row; "": not compared
};

const Shape shapes[] = {
    {"a column called new", "create table t (new int primary key, old int)",
     "insert into t values (1, 2)", "1", R"({"new":1,"old":2})"},
    {"columns called like our variables",
     "create table t (n int primary key, rec text, o json, act int, log int)",
     "insert into t values (1, 'a', '{}', 2, 3)", "1",
     R"({"n":1,"rec":"a","o":{},"act":2,"log":3})"},
    {"quoted and mixed-case names", R"(create table t ("Odd ""Id" int primary key, "%s" int))",
     "insert into t values (1, 2)", "1", R"({"Odd \"Id":1,"%s":2})"},
    {"a composite key escapes comma and backslash",
     "create table t (a text, b int, c text, primary key (c, b, a))",
     R"(insert into t values (E'x,y', 2, E'p\\q'))", R"(p\\q,2,x\,y)", ""},
    {"bigint past 2^53 and numeric with 40 digits",
     "create table t (id bigint primary key, n numeric)",
     "insert into t values (9007199254740993, 1234567890123456789012345678901234567890.10)",
     "9007199254740993",
     R"({"id":9007199254740993,"n":1234567890123456789012345678901234567890.10})"},
    {"NaN, Infinity, exact doubles",
     "create table t (id numeric primary key, f float8, g float8, h float4)",
     "insert into t values ('NaN', 'Infinity', 0.1::float8 + 0.2, 'NaN')", "NaN",
     R"({"id":"NaN","f":"Infinity","g":0.30000000000000004,"h":"NaN"})"},
    {"a timestamptz key is printed as to_json prints it",
     "create table t (at timestamptz primary key, i interval, d daterange)",
     "insert into t values ('2026-11-23 10:15:30+02', '1 day 02:00', '[2026-11-01,2026-11-03)')",
     "2026-11-23T08:15:30+00:00",
     R"x({"at":"2026-11-23T08:15:30+00:00","i":"1 day 02:00:00","d":"[2026-11-01,2026-11-03)"})x"},
    {"char(n) keeps its blanks", "create table t (id char(4) primary key)",
     "insert into t values ('ab')", "ab  ", R"({"id":"ab  "})"},
    {"inet has no mask of its own", "create table t (id inet primary key)",
     "insert into t values ('10.0.0.1')", "10.0.0.1", R"({"id":"10.0.0.1"})"},
    {"bytea", "create table t (id bytea primary key)", R"(insert into t values ('\x00ff'))",
     R"(\x00ff)", R"({"id":"\\x00ff"})"},
    {"enums, domains, arrays, composite types",
     "create type mood as enum ('sad', 'gay'); create domain code as text; "
     "create type pair as (a int, b text); "
     "create table t (id code primary key, m mood, l int[], p pair)",
     "insert into t values ('k', 'gay', '{1,2}', '(3,x)')", "k",
     R"({"id":"k","m":"gay","l":[1,2],"p":{"a":3,"b":"x"}})"},
    {"json is passed on as it stands", "create table t (id int primary key, j json)",
     R"(insert into t values (1, '{"a":1,"a":2,"z":"\u0000"}'))", "1",
     R"({"id":1,"j":{"a":1,"a":2,"z":"\u0000"}})"},
    {"generated and dropped columns",
     "create table t (gone int, id int primary key, twice int generated always as (id * 2) "
     "stored); alter table t drop column gone",
     "insert into t values (4)", "4", R"({"id":4,"twice":8})"},
    {"money whatever lc_monetary says", "create table t (id int primary key, m money)",
     "insert into t values (1, 12.5)", "1", R"({"id":1,"m":"$12.50"})"},
};

std::string refusal(const std::string& url, const WatchOptions& options) {
  const auto result = watch(url, options);
  return result.ok() ? "watched" : result.error().message;
}

}  // namespace

TEST_CASE("shapes: each value is printed the same, whatever the writer's settings") {
  for (const Shape& shape : shapes) {
    CAPTURE(shape.why);
    Installed db;
    db.run(shape.table);
    REQUIRE(watch(db.database.url(), {.table = "t"}).ok());
    db.run("set timezone = 'Asia/Kathmandu'; set datestyle = 'German'; set intervalstyle = "
           "'iso_8601'; set bytea_output = 'escape'; set extra_float_digits = -5; set search_path "
           "= public; set session_replication_role = replica");
    db.run(shape.change);
    const auto rows = db.run("select action, record, new_row from pgtide.log");
    REQUIRE(rows.size() == 1);
    CHECK(rows[0][1] == shape.record);
    if (*shape.row) CHECK(rows[0][2] == shape.row);
  }
}

TEST_CASE("capture: a row that cannot be JSON is logged by its key and harms no writer") {
  Installed db;
  // A value whose label is gone cannot be printed.
  db.run("create type bad as enum ('x', 'y'); create table kept (x bad, y bad); "
         "insert into kept values ('x', 'y'); create table t (id int primary key, b bad); "
         "delete from pg_enum where enumtypid = 'bad'::regtype");
  REQUIRE(watch(db.database.url(), {.table = "t"}).ok());
  db.run("begin; insert into t values (1, null); insert into t select 2, x from kept; "
         "update t set b = y from kept where id = 2;"
         "update t set id = 3 where id = 2; delete from t where id = 3; commit");
  CHECK(db.run("select action, record, old_row, new_row from pgtide.log order by id") ==
        std::vector<Row>{{"c", "1", "NULL", R"({"id":1,"b":null})"},
                         {"c", "2", "NULL", "NULL"},
                         {"u", "2", "NULL", "NULL"},
                         {"d", "2", "NULL", "NULL"},
                         {"c", "3", "NULL", "NULL"},
                         {"d", "3", "NULL", "NULL"}});
  db.run("alter table t rename id to key");
  db.run("insert into t values (9, null)");
  CHECK(db.run("select record, new_row from pgtide.log order by id desc limit 1") ==
        std::vector<Row>{{"NULL", "NULL"}});
  REQUIRE(db.run("select * from pgtide.look()").empty());
  db.run("insert into t values (10, null)");
  CHECK(db.run("select record from pgtide.log order by id desc limit 1")[0][0] == "10");
}

TEST_CASE("capture: partitions direct, attached, moved, truncated alone, detached") {
  Installed db;
  db.run("create table t (id int, k int, primary key (id, k)) partition by list (k);"
         "create table t1 partition of t for values in (1);"
         "create table t2 partition of t for values in (2);"
         "create table t3 (k int not null, id int not null)");
  REQUIRE(watch(db.database.url(), {.table = "t"}).ok());
  db.run("insert into t1 values (5, 1)");
  CHECK(db.changes() == "c 5,1");
  db.run("update t set k = 2");
  CHECK(db.changes() == "d 5,1, c 5,2");
  db.run("alter table t attach partition t3 for values in (3)");
  db.run("insert into t3 (id, k) values (6, 3)");
  CHECK(db.changes() == "c 6,3");
  CHECK(db.run("select * from pgtide.look()").empty());
  CHECK(db.changes() == "s");
  db.run("truncate t2");
  CHECK(db.changes() == "s");
  db.run("truncate t");
  CHECK(db.changes() == "t");
  CHECK(db.run("select * from pgtide.look()").empty());
  CHECK(db.changes() == "");
  db.run("alter table t detach partition t2");
  db.run("insert into t2 values (7, 2)");
  db.run("truncate t2");
  CHECK(db.changes() == "");
  CHECK(db.run("select * from pgtide.look()").empty());
  CHECK(db.changes() == "s");
}

TEST_CASE("capture: COPY, MERGE, ON CONFLICT, cascades, savepoints, updates of nothing") {
  Installed db;
  db.run("create table t (id int primary key, up int references t on delete cascade, v int)");
  REQUIRE(watch(db.database.url(), {.table = "t"}).ok());
  REQUIRE(db.session->copy_in("copy t from stdin", {"1\t\\N\t0", "2\t1\t0"}).ok());
  CHECK(db.changes() == "c 1, c 2");
  // Servers before 15 have no MERGE.
  db.run(db.session->server_version() < 150'000
             ? "update t set v = 1 where id = 2; insert into t values (3, null, 0)"
             : "merge into t using (values (2), (3)) s(x) on id = x "
               "when matched then update set v = 1 "
               "when not matched then insert values (x, null, 0)");
  CHECK(db.changes() == "u 2, c 3");
  db.run("insert into t values (3) on conflict (id) do update set v = 5");
  CHECK(db.changes() == "u 3");
  db.run("update t set v = v");
  CHECK(db.changes() == "");
  db.run("begin; savepoint s; delete from t; rollback to s; insert into t values (4); commit");
  CHECK(db.changes() == "c 4");
  db.run("delete from t where id = 1");
  CHECK(db.changes() == "d 1, d 2");
}

TEST_CASE("capture: keys that compare as equal and print differently are different records") {
  Installed db;
  db.run("create extension citext; create table t (id citext primary key)");
  REQUIRE(watch(db.database.url(), {.table = "t"}).ok());
  db.run("insert into t values ('A'); update t set id = 'a'");
  CHECK(db.changes() == "c A, d A, c a");
  db.run("create table n (id numeric primary key)");
  REQUIRE(watch(db.database.url(), {.table = "n"}).ok());
  db.run("insert into n values (1.0); update n set id = 1.00");
  CHECK(db.changes() == "c 1.0, d 1.0, c 1.00");
}

TEST_CASE("capture: a key may take texts for equal that differ, alone and beside others") {
  const char* const collation =
      "create collation blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);";
  for (const char* key : {"id", "id, n", "n, id"}) {
    CAPTURE(std::string(key));
    Installed db;
    db.run(std::string(collation) + "create table t (id text collate blind, n int, v int, primary "
           "key (" + key + "))");
    REQUIRE(watch(db.database.url(), {.table = "t"}).ok());
    db.run("insert into t values ('A,b', 1, 0); update t set v = 1; update t set id = 'a,B'; "
           "delete from t");
    const std::string upper = std::string(key) == "id"      ? "A,b"
                              : std::string(key) == "id, n" ? "A\\,b,1"
                                                            : "1,A\\,b";
    const std::string lower = std::string(key) == "id"      ? "a,B"
                              : std::string(key) == "id, n" ? "a\\,B,1"
                                                            : "1,a\\,B";
    CHECK(db.changes() == "c " + upper + ", u " + upper + ", d " + upper + ", c " + lower +
                              ", d " + lower);
  }
}

TEST_CASE("capture: a table without old rows logs the key of what is deleted") {
  Installed db;
  db.run("create table t (id bigint primary key, v text)");
  REQUIRE(watch(db.database.url(), {.table = "t", .old_rows = false}).ok());
  db.run("insert into t values (1, 'a'); update t set v = 'b'; delete from t");
  CHECK(db.run("select action, old_row from pgtide.log order by id") ==
        std::vector<Row>{{"c", "NULL"}, {"u", "NULL"}, {"d", R"({"id" : 1})"}});
}

TEST_CASE("capture: ten megabytes in a TOASTed column, and bytes that are no UTF-8") {
  Installed db("template template0 encoding 'SQL_ASCII' locale 'C'");
  db.run("create table t (id text primary key, v text)");
  REQUIRE(watch(db.database.url(), {.table = "t"}).ok());
  db.run(R"(insert into t values (E'\xff', repeat('x', 10485760)))");
  CHECK(db.run("select octet_length(new_row::text) > 10485760, record from pgtide.log") ==
        std::vector<Row>{{"t", "\xff"}});
}

TEST_CASE("watch: what is refused, with the reason and the mend") {
  Installed db;
  const Role stranger;
  db.run("create table nokey (id int); create view v as select 1; create unlogged table u (id int "
         "primary key); create table deferred (id int primary key deferrable); create table parent "
         "(id int primary key); create table child (primary key (id)) inherits (parent); create "
         "table secret (id int primary key); alter table secret enable row level security; "
         "create table posts (id int primary key, n int unique); "
         "create table others (id int primary key)");
  db.run("alter table others owner to " + stranger.name());
  const std::string url = db.database.url();
  struct Case { WatchOptions options; const char* says; };
  const Case cases[] = {
      {{.table = "nokey"}, "no primary key"},
      {{.table = "v"}, "is a view"},
      {{.table = "u"}, "unlogged"},
      {{.table = "deferred"}, "deferrable"},
      {{.table = "parent"}, "inheritance children"},
      {{.table = "child"}, "inheritance child"},
      {{.table = "secret"}, "--ignore-rls"},
      {{.table = "pg_class"}, "system table"},
      {{.table = "posts", .collection = "1st"}, "--as"},
      {{.table = "posts", .key = {"n"}}, "NOT NULL"},
      {{.table = "posts", .key = {"gone"}}, "no column"},
      {{.table = "absent"}, "does not exist"},
  };
  for (const Case& one : cases) {
    const std::string text = refusal(url, one.options);
    CHECK_MESSAGE(text.find(one.says) != std::string::npos, one.options.table, ": ", text);
  }
  CHECK(refusal(url, {.table = "secret", .ignore_rls = true}) == "watched");
  const std::string foreign = refusal(db.database.url(stranger.name()), {.table = "others"});
  CHECK_MESSAGE(foreign.find("GRANT") != std::string::npos, foreign);
}

TEST_CASE("watch: says which table it found under a name, and whose it is") {
  const Role carol;
  Installed db;
  db.run("create table posts (id int primary key); create schema postgres authorization " +
         carol.name());
  const auto own = watch(db.database.url(), {.table = "posts"});
  REQUIRE(own.ok());
  CHECK(own->table == "public.posts");
  CHECK(own->owner == "postgres");
  db.run("create table postgres.posts (id int primary key); alter table postgres.posts owner to " +
         carol.name());
  const auto taken = watch(db.database.url(), {.table = "posts", .collection = "others"});
  REQUIRE(taken.ok());
  CHECK(taken->table == "postgres.posts");
  CHECK(taken->owner == carol.name());
  CHECK(taken->collection == "others");
}

TEST_CASE("watch: waits for a writer without making others wait, and again changes nothing") {
  Installed db;
  db.run("create table t (id int primary key)");
  Session writer = db.database.session();
  writer.run("begin");
  writer.run("insert into t values (1)");
  Session watcher = db.database.session();
  watcher.begin("select pgtide.watch('t')");
  for (int n = 2; n < 12; ++n) db.run("insert into t values (" + std::to_string(n) + ")");
  CHECK(watcher.busy());
  writer.run("commit");
  CHECK(watcher.finish().ok());
  REQUIRE(watch(db.database.url(), {.table = "t"}).ok());
  CHECK(db.changes() == "");
}

TEST_CASE("look: a table unguarded for a while, rewritten or swapped is told and mended") {
  Installed db;
  db.run("create table t (id int primary key, v int)");
  REQUIRE(watch(db.database.url(), {.table = "t"}).ok());
  CHECK(db.run("select * from pgtide.look()").empty());
  db.run("alter table t disable trigger \"!pgtide\"");
  db.run("alter table t enable always trigger \"!pgtide\"");
  CHECK(db.run("select * from pgtide.look()").empty());
  CHECK(db.changes() == "s");
  db.run("alter table t alter v type text");
  CHECK(db.run("select * from pgtide.look()").empty());
  CHECK(db.changes() == "s");
  db.run("drop table t; create table t (id int primary key)");
  CHECK(db.run("select mend from pgtide.look()") == std::vector<Row>{{"pgtide watch public.t"}});
  CHECK(db.changes() == "s");
  CHECK(db.run("select mend from pgtide.look()").size() == 1);
  CHECK(db.changes() == "");
  REQUIRE(watch(db.database.url(), {.table = "t"}).ok());
  CHECK(db.run("select * from pgtide.look()").empty());
  db.run("drop table t");
  CHECK(db.run("select mend from pgtide.look()") == std::vector<Row>{{"pgtide unwatch t"}});
  CHECK(unwatch(db.database.url(), "t").ok());
}

TEST_CASE("wake-up: a writer notifies only while the leader sleeps, its lease not over") {
  struct Case { const char* armed; bool notifies; const char* why; };
  const Case cases[] = {
      {"select setval('pgtide.armed', 0)", false, "the leader is awake"},
      {"select setval('pgtide.armed', extract(epoch from now())::bigint + 60)", true, "it sleeps"},
      {"select setval('pgtide.armed', extract(epoch from now())::bigint - 60)", false, "it died"},
      {"select setval('pgtide.armed', 0, false)", true, "nobody has set it since a crash"},
  };
  Installed db;
  db.run("create table t (id serial primary key)");
  REQUIRE(watch(db.database.url(), {.table = "t"}).ok());
  for (const Case& one : cases) {
    db.run(one.armed);
    db.run("begin; insert into t default values");
    // Prepared transactions are off: what tells a NOTIFY apart is the queue after the commit.
    db.run("listen pgtide_wake");
    db.run("commit");
    PGnotify* told = PQnotifies(db.session->native());
    CHECK_MESSAGE((told != nullptr) == one.notifies, one.why);
    if (told) PQfreemem(told);
  }
}

TEST_CASE("broadcast: names and sizes are checked, on all ways alike") {
  Installed db;
  struct Case { const char* sql; const char* sqlstate; };
  const Case cases[] = {
      {"select pgtide_api.broadcast('news', '{\"a\":1}')", ""},
      {"select pgtide_api.broadcast('1st', '{}')", "22023"},
      {"select pgtide_api.broadcast('a.b', '{}')", "22023"},
      {"select pgtide_api.broadcast(null, '{}')", "22023"},
      {"select pgtide_api.broadcast('a', null)", "22023"},
      {"select pgtide_api.broadcast('a', to_json(repeat('x', 1048574)))", ""},
      {"select pgtide_api.broadcast('a', to_json(repeat('x', 1048575)))", "22023"},
      {"select pgtide_api.broadcast_all(to_json(repeat('x', 1048575)))", "22023"},
      {"select pgtide_api.broadcast_all('[]')", ""},
  };
  for (const Case& one : cases) CHECK(db.session->attempt(one.sql).sqlstate == one.sqlstate);
  CHECK(db.run("select collection, action, record, length(new_row::text) from pgtide.log order by "
               "id") == std::vector<Row>{{"0", "x", "news", "7"},
                                         {"0", "x", "a", "1048576"},
                                         {"0", "x", "NULL", "2"}});
}

TEST_CASE("rotation: a table is emptied once nobody needs it, and never waited for") {
  Installed db;
  db.run("select pgtide_api.broadcast_all('1')");
  CHECK(db.run("select pgtide.switch_log()")[0][0] == "1");
  db.run("select pgtide.seal_log()");
  CHECK(db.run("select pgtide.empty_log(0)")[0][0] == "f");
  db.run("insert into pgtide.tick0 (n, nonce, snapshot) values (1, 7, pg_current_snapshot())");
  db.run("select pgtide.set_horizon(1)");
  Session reader = db.database.session();
  reader.run("begin; select * from pgtide.log0");
  CHECK(db.run("select pgtide.empty_log(0)")[0][0] == "f");
  reader.run("commit");
  CHECK(db.run("select pgtide.empty_log(0)")[0][0] == "t");
  db.run("select pgtide_api.broadcast_all('2')");
  CHECK(db.run("select log from pgtide.log") == std::vector<Row>{{"1"}});
}
