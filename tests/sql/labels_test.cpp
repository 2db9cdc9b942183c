// The owner of a watched table, or of a type in it, who alters it at a bad moment or makes it as
// large as he can: values under the right names, and nobody else pays.
#include <doctest/doctest.h>

#include <atomic>

#include "capture/catalog_loader.hpp"
#include "support/eventually.hpp"
#include "support/installed_database.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

// A table that is watched.
struct Labelled {
  explicit Labelled(const std::string& table) {
    database.run(table);
    const auto done = watch(database.url(), {.table = "t"});
    REQUIRE_MESSAGE(done.ok(), (done.ok() ? "" : done.error().message));
    REQUIRE(database.run("select * from pgtide.look()").empty());
  }
  // Action, record, old_row and new_row of what was logged since the last call.
  std::vector<Row> logged() {
    std::vector<Row> rows = database.run(
        "select action, record, old_row, new_row, id from pgtide.log where id > " + seen_ +
        " order by id");
    for (Row& row : rows) {
      seen_ = row.back();
      row.pop_back();
    }
    return rows;
  }
  std::vector<Row> looked() {
    REQUIRE(database.run("select * from pgtide.look()").empty());
    return logged();
  }

  Role owner;  // of types: no superuser
  InstalledDatabase database;

 private:
  std::string seen_ = "0";
};

const std::vector<Row> changed = {{"s", "NULL", "NULL", "NULL"}};
const std::vector<Row> nothing = {};

std::string repeated(int count, const std::function<std::string(int)>& text) {
  std::string all;
  for (int n = 0; n < count; ++n) all += text(n);
  return all;
}

}  // namespace

TEST_CASE("labels: a writer whose snapshot is older than the table's columns mislabels nothing") {
  struct Case {
    const char* why;
    const char* altered;
    const char* change;
    const char* action;
  };
  const Case cases[] = {
      {"a column dropped before the key, one added",
       "alter table t drop column junk; alter table t add column z int", "delete from t", "d"},
      {"a column dropped, a secret one added",
       "alter table t drop column nickname; alter table t add column password_hash text",
       "insert into t (id, email, password_hash) values (6, 'mail@x', 'SECRETHASH')", "c"},
      {"a column added", "alter table t add column z int", "delete from t", "d"},
      {"a composite put in the place of another of its name",
       "create type other as (secret int); alter table t drop column p; "
       "alter table t add p other",
       "insert into t values (5, 6, 'n', 'e', row(7))", "c"},
      {"a composite whose columns are other ones",
       "alter type pair drop attribute a; alter type pair add attribute c int",
       "insert into t values (5, 6, 'n', 'e', row(7, 8))", "c"},
  };
  for (const std::string level : {"repeatable read", "serializable"}) {
    for (const Case& one : cases) {
      CAPTURE(std::string(one.why));
      Labelled db(
          "create type pair as (a int, b int); create type mood as enum ('sad');"
          "create table t (junk int, id int primary key, nickname text, email text, p pair)");
      db.database.run("alter type pair owner to " + db.owner.name());
      db.database.run("insert into t values (7, 1, 'nick', 'mail', row(1, 2))");
      db.looked();
      Session writer = db.database.session();
      writer.run("begin isolation level " + level);
      writer.run("select from pg_class limit 1");
      db.database.run(one.altered);
      writer.run(one.change);
      writer.run("commit");
      CHECK(db.logged() == std::vector<Row>{{one.action, "NULL", "NULL", "NULL"}});
    }
  }
}

TEST_CASE("labels: a composite's values keep their names when its attributes change") {
  struct Case {
    const char* altered;
    const char* value;
    const char* printed;
  };
  const Case cases[] = {
      {"alter type addr drop attribute city; alter type addr add attribute zip text",
       "row('OWNER3', 'PIN3', 'ZIP3')", R"({"owner":"OWNER3","pin":"PIN3","zip":"ZIP3"})"},
      {"alter type addr rename attribute owner to o; alter type addr rename attribute pin to owner;"
       "alter type addr rename attribute o to pin",
       "row('CITY3', 'PIN3', 'OWNER3')", R"({"city":"CITY3","pin":"PIN3","owner":"OWNER3"})"},
      {"alter type addr drop attribute city; alter type addr add attribute city text",
       "row('OWNER3', 'PIN3', 'CITY3')", R"({"owner":"OWNER3","pin":"PIN3","city":"CITY3"})"},
      {"alter type addr add attribute zip text", "row('CITY3', 'OWNER3', 'PIN3', 'ZIP3')",
       R"({"city":"CITY3","owner":"OWNER3","pin":"PIN3","zip":"ZIP3"})"},
  };
  for (const bool trusted : {false, true}) {
    CAPTURE(trusted);
    for (const Case& one : cases) {
      CAPTURE(std::string(one.altered));
      Labelled db("create type addr as (city text, owner text, pin text);"
                  "create table t (id int primary key, a addr, l addr[])");
      if (!trusted) db.database.run("alter type addr owner to " + db.owner.name());
      db.looked();
      // Known to this server process as it was.
      Session writer = db.database.session();
      writer.run("insert into t values (1, row('CITY', 'OWNER', 'PIN'), null)");
      db.logged();
      db.database.run(one.altered);
      const std::string value = one.value;
      const std::string printed = one.printed;
      const std::vector<Row> expected = {
          {"c", "3", "NULL", "{\"id\":3,\"a\":" + printed + ",\"l\":[" + printed + "]}"}};
      const std::string change =
          "insert into t values (3, " + value + ", array[" + value + "::addr])";
      writer.run(change);
      CHECK(db.logged() == expected);
      // What was there already reads otherwise now.
      CHECK(db.looked() == changed);
      CHECK(db.looked() == nothing);
      db.database.run("delete from t where id = 3");
      db.logged();
      writer.run(change);
      CHECK(db.logged() == expected);
    }
  }
}

TEST_CASE("labels: an install and a watch tell what has changed in a composite since the look") {
  for (const bool watching : {false, true}) {
    CAPTURE(watching);
    Labelled db("create type addr as (city text); create table t (id int primary key, a addr)");
    db.logged();
    db.database.run("alter type addr rename attribute city to town");
    if (watching)
      REQUIRE(watch(db.database.url(), {.table = "t"}).ok());
    else
      install_in(db.database);
    CHECK(db.logged() == changed);
    CHECK(db.looked() == nothing);
    install_in(db.database);
    CHECK(db.logged() == nothing);
  }
}

TEST_CASE("look: a TRUNCATE excuses no rewrite that comes after it") {
  const std::vector<Row> emptied = {{"t", "NULL", "NULL", "NULL"}};
  for (const char* parts : {"", " partition by range (id)"}) {
    CAPTURE(std::string(parts));
    Labelled db(std::string("create table t (id int primary key, v text)") + parts +
                (*parts ? "; create table t1 partition of t default" : ""));
    db.database.run("truncate t");
    CHECK(db.looked() == emptied);
    db.database.run("truncate t; truncate t");
    CHECK(db.looked().size() == 2);
    db.database.run("begin; truncate t; insert into t values (1, 'low'); "
                    "alter table t alter column v type text using upper(v) || ' changed'; commit");
    CHECK(db.looked().back() == changed[0]);
    db.database.run("truncate t");
    db.database.run("alter table t alter column v type varchar using upper(v)");
    CHECK(db.looked().back() == changed[0]);
    CHECK(db.looked() == nothing);
    if (!*parts) continue;
    db.database.run("truncate t1");
    CHECK(db.looked() == changed);
    db.database.run("truncate t1; alter table t alter column v type text using upper(v)");
    CHECK(db.looked() == std::vector<Row>{changed[0], changed[0]});
  }
}

TEST_CASE("look: how much an owner puts into one type is no cost to the others") {
  struct Case {
    const char* why;
    std::string types;
    std::string row;      // inserted
    std::string printed;  // logged
  };
  const auto number = [](int n) { return std::to_string(n); };
  const Case cases[] = {
      {"composites of many attributes, one in the other",
       "create type c0 as (m mood);" + repeated(60, [&](int n) {
         return "create type c" + number(n + 1) + " as (c c" + number(n) +
                repeated(50, [&](int k) { return ", a" + number(k) + " int"; }) +
                ");";
       }) + "create type kind as (c c60, n int)",
       "row(null, 5)", R"x("(,5)")x"},
      {"domains of domains",
       "create domain d0 as mood;" + repeated(150, [&](int n) {
         return "create domain d" + number(n + 1) + " as d" + number(n) + ";";
       }) + "create domain kind as d150",
       "'sad'", R"("sad")"},
      {"composites of many types",
       repeated(1100, [&](int n) { return "create type e" + number(n) + " as enum ();"; }) +
           "create type kind as (m mood" +
           repeated(1100, [&](int n) { return ", a" + number(n) + " e" + number(n); }) + ")",
       "row('sad'" + repeated(1100, [](int) { return std::string(", null"); }) + ")", ""},
  };
  for (const Case& one : cases) {
    CAPTURE(std::string(one.why));
    Labelled db("create table t (id int primary key)");
    db.database.run("create type mood as enum ('sad')");
    db.database.run("alter type mood owner to " + db.owner.name());
    db.database.run(one.types);
    db.database.run("alter table t add c kind");
    CHECK(db.database.run("select kind, sound from pgtide.reachable_types('t'::regclass)") ==
          std::vector<Row>{{"0", "f"}});
    CHECK(db.database.value("select pgtide.trusted_types('t'::regclass)") == "{0}");
    CHECK(db.database.value("select pgtide.shape_of('t'::regclass) <> ''") == "t");
    // The slow way, and after the look the other one.
    for (const bool looked : {false, true}) {
      CAPTURE(looked);
      if (looked) CHECK(db.looked() == changed);
      db.database.run("insert into t values (" + std::to_string(looked) + ", " + one.row + ")");
      const auto rows = db.logged();
      REQUIRE(rows.size() == 1);
      CHECK(rows[0][1] == std::to_string(looked));
      if (!one.printed.empty())
        CHECK(rows[0][3] == "{\"id\":" + std::to_string(looked) + ",\"c\":" + one.printed + "}");
      else
        CHECK(rows[0][3].starts_with("{\"id\":" + std::to_string(looked) + ",\"c\":\"(sad,,"));
    }
  }
}

TEST_CASE("catalog: who is trusted is asked once for each table, and only where it matters") {
  Labelled db("create extension hstore; create type mood as enum ('sad'); create table t (id int "
              "primary key" +
              repeated(30, [](int n) { return ", m" + std::to_string(n) + " mood"; }) +
              "); create table enums (id int primary key, m mood, n mood)");
  REQUIRE(watch(db.database.url(), {.table = "enums"}).ok());
  const auto calls = [&] {
    return db.database.value("select coalesce(sum(calls), 0) from pg_stat_user_functions "
                             "where funcname = 'trusted_types'");
  };
  const auto load = [&] {
    std::atomic<std::uint64_t> queries{0};
    DatabaseSession session(db.database.url(), queries);
    CatalogLoader loader;
    const auto catalog = loader.load(session, {});
    session.run("select pgtide.base_type(23)");  // counted with the others as the session ends
    return catalog;
  };
  db.database.run("alter database " + db.database.name() + " set track_functions = 'all'");
  load();
  const auto counted = [&](const std::string& function) {
    return db.database.value("select coalesce(sum(calls), 0) from pg_stat_user_functions "
                             "where funcname = '" + function + "'").value_or("");
  };
  eventually([&] { return counted("base_type") == "1"; });
  CHECK(calls() == "0");
  db.database.run("alter table t add h hstore, add i hstore");
  const auto catalog = load();
  eventually([&] { return counted("base_type") == "2"; });
  CHECK(calls() == "1");
  const Collection* collection = nullptr;
  for (const Collection& one : catalog->collections())
    if (one.name == "t") collection = &one;
  REQUIRE(collection != nullptr);
  CHECK(collection->types[31].kind == ColumnKind::json);
  CHECK(collection->types[30].kind == ColumnKind::text);
}
