// What the settings of a writer or a database, and what strangers put into the schema, must not do
// to the log.
#include <doctest/doctest.h>

#include "support/installed_database.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

void follow_table(Database& database, const char* table) {
  const auto done = watch(database.url(), {.table = table});
  REQUIRE_MESSAGE(done.ok(), (done.ok() ? "" : done.error().message));
}

std::vector<Row> records(Database& database) {
  return database.run("select action, record from pgtide.log order by id");
}

std::vector<Row> told(Database& database) {
  return database.run("select wrong, mend from pgtide.look()");
}

std::string resyncs(Database& database) {
  return *database.value("select count(*) from pgtide.log where action = 's'");
}

}  // namespace

TEST_CASE("trust: a writer's standard_conforming_strings changes no record id, on no way") {
  InstalledDatabase database;
  database.run("create table t (a text, b text, n int, primary key (a, b))");
  follow_table(database, "t");
  Session writer = database.session();
  writer.run("set standard_conforming_strings = off");
  const std::string change = R"(insert into t values (E'x\\,y', 'z'))";
  const std::vector<Row> one{{"c", R"(x\\\,y,z)"}};
  writer.run(change);
  CHECK(records(database) == one);
  database.run("truncate pgtide.log0; alter table t add m int");
  writer.run("delete from t");
  database.run("truncate pgtide.log0");
  writer.run(change);
  CHECK(records(database) == one);
}

TEST_CASE("trust: a database's settings make no look write a function that cannot run") {
  Database database;
  database.run("alter database " + database.name() + " set standard_conforming_strings = off");
  database.run("alter database " + database.name() + " set check_function_bodies = off");
  REQUIRE(install(database.url()).ok());
  Session session = database.session();
  session.run("create table t (a text, b text, n int, primary key (a, b))");
  follow_table(database, "t");
  session.run(R"(insert into t values (E'x\\,y', 'z'))");
  const std::vector<Row> one{{"c", R"(x\\\,y,z)"}};
  CHECK(records(database) == one);
  session.run("alter table t add m int");
  session.run("select * from pgtide.look()");
  session.run("truncate pgtide.log0; delete from t");
  session.run("truncate pgtide.log0");
  session.run(R"(insert into t values (E'x\\,y', 'z'))");
  CHECK(records(database) == one);
}

TEST_CASE("trust: a writer's quote_all_identifiers changes no record id, on no way") {
  for (const std::string type : {"regclass", "named", "regclass[]", "holder"}) {
    CAPTURE(type);
    InstalledDatabase database;
    database.run("create schema a; create table a.t1 (n int); create domain named as regclass; "
                 "create type holder as (r regclass); "
                 "create table t (id " + type + " primary key, n int)");
    follow_table(database, "t");
    const std::string key = type == "regclass[]" ? "'{a.t1}'"
                            : type == "holder"   ? "row('a.t1'::regclass)::holder"
                                                 : "'a.t1'";
    Session writer = database.session();
    writer.run("insert into t values (" + key + ")");
    const std::string id = *database.value("select record from pgtide.log");
    const std::string row = *database.value("select new_row from pgtide.log");
    writer.run("set quote_all_identifiers = on");
    writer.run("delete from t; insert into t values (" + key + ")");
    CHECK(database.run("select distinct record, coalesce(new_row, old_row)::text from "
                       "pgtide.log") == std::vector<Row>{{id, row}});
    database.run("truncate pgtide.log0; alter table t add m int");
    writer.run("delete from t; insert into t values (" + key + ")");
    CHECK(database.run("select distinct record from pgtide.log") == std::vector<Row>{{id}});
  }
}

TEST_CASE("trust: an extension that a stranger puts into the schema is one fault with one mend") {
  const Role stranger;
  for (const std::string schema : {"pgtide", "pgtide_api"}) {
    CAPTURE(schema);
    InstalledDatabase database;
    database.run("create table t (id int primary key)");
    follow_table(database, "t");
    database.run("grant create on database " + database.name() + " to " + stranger.name());
    Session session = database.session(stranger.name());
    session.run("create extension hstore schema " + schema);
    const std::vector<Row> all{{"extension hstore has put its objects into schema " + schema,
                                "DROP EXTENSION hstore;"}};
    CHECK(database.run("select wrong, mend from pgtide.schema_faults()") == all);
    CHECK(told(database) == all);
    // Which does not stand in the way of an upgrade.
    CHECK(install(database.url()).ok());
    CHECK(told(database) == all);
    database.run(all[0][1]);
    CHECK(told(database).empty());
  }
}

TEST_CASE("trust: what is wrong with the schema resyncs no collection, however often it changes") {
  InstalledDatabase database;
  database.run("create table t (id int primary key)");
  follow_table(database, "t");
  for (const char* name : {"a", "b", "c"}) {
    database.run(std::string("create view pgtide.") + name + " as select 1");
    CHECK(told(database).size() == 1);
    CHECK(resyncs(database) == "0");
    database.run(std::string("drop view pgtide.") + name);
  }
  CHECK(told(database).empty());
  CHECK(resyncs(database) == "0");
  // A fault of the table is told to clients as ever.
  database.run("alter table t enable row level security");
  database.run("create view pgtide.a as select 1");
  CHECK(told(database).size() == 2);
  CHECK(resyncs(database) == "1");
  CHECK(told(database).size() == 2);
  CHECK(resyncs(database) == "1");
}

TEST_CASE("trust: no fault of the schema hides another, and a flood of them is counted") {
  InstalledDatabase database;
  database.run("create table t (id int primary key)");
  follow_table(database, "t");
  database.run("create view pgtide.mine as select 1; drop function pgtide.set_horizon(bigint)");
  CHECK(told(database).size() == 2);
  const std::string kept = *database.value("select beside from pgtide.collection");
  CHECK(kept.find("view pgtide.mine is not one of pgtide's; run: DROP VIEW pgtide.mine;") !=
        std::string::npos);
  CHECK(kept.find("function pgtide.set_horizon(bigint) is gone; run: pgtide install") !=
        std::string::npos);
  database.run("do $$ begin for i in 1..30 loop execute format('create view pgtide.v%s as select "
               "1', i); end loop; end $$");
  const std::vector<Row> many = told(database);
  CHECK(many.size() == 11);
  CHECK(many.back() == Row{"there are 22 more faults of schema pgtide", "pgtide status"});
}

TEST_CASE("trust: what depends on a view that an upgrade drops does not stop the upgrade") {
  InstalledDatabase database;
  database.run("create view pgtide.lock_holder as select 1 as pid; create schema app; "
               "create view app.holders as select * from pgtide.lock_holder");
  database.run("drop function pgtide.look(int, int); "
               "create function pgtide.look() returns int language sql as 'select 1'; "
               "create view app.looks as select pgtide.look() as n");
  const auto done = install(database.url());
  CHECK_MESSAGE(done.ok(), (done.ok() ? "" : done.error().message));
  CHECK(database.value("select count(*) from pg_class where relnamespace = 'app'::regnamespace") ==
        "0");
}

// A query that expects a thousand types where there are two spends 30 ms on tables for them: in
// each look, and for each row from an ALTER TYPE to the next look.
TEST_CASE("trust: to find whom to trust costs little more than to find the types") {
  const Role stranger;
  InstalledDatabase database;
  Session session = database.session();
  session.run("create type pair as (a int, b text); alter type pair owner to " + stranger.name() +
              "; create table t (id int primary key, v pair)");
  const auto took = [&](const std::string& call) {
    const std::string timed =
        "do $$ declare began timestamptz := clock_timestamp(); begin for i in 1..40 loop perform " +
        call + "; end loop; perform set_config('pgtide_test.took', "
        "extract(epoch from clock_timestamp() - began)::text, false); end $$";
    double best = 1e9;
    for (int i = 0; i < 3; ++i) {
      session.run(timed);
      best = std::min(best, std::stod(*session.value("show pgtide_test.took")));
    }
    return best;
  };
  const double types = took("count(*) from pgtide.reachable_types('t'::regclass)");
  const double trust = took("pgtide.types_within('t'::regclass)");
  CAPTURE(types);
  CAPTURE(trust);
  CHECK(trust < 6 * types);
}
