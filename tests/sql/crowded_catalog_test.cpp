// Anybody may fill PostgreSQL's catalog: a temporary schema suffices. What others have made costs
// a look nothing, since the leader makes no tick while it looks.
#include <doctest/doctest.h>

#include "capture/inspection.hpp"
#include "model/catalog.hpp"
#include "support/installed_database.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

constexpr int crowd = 4000;

struct Crowded {
  Crowded() {
    database.run("create table posts (id int primary key); "
                 "create table parts (id int primary key) partition by range (id); "
                 "create table part partition of parts for values from (0) to (10)");
    for (const char* table : {"posts", "parts"})
      REQUIRE(watch(database.url(), {.table = table}).ok());
  }
  // How many rows of the catalog a statement reads, of the tables that strangers can fill. What it
  // reads the first time, a session remembers.
  long reads(const std::string& statement, bool first_time = false) {
    Session session = database.session();
    if (!first_time) session.run(statement);
    session.run("begin");
    session.run(statement);
    const long read = std::stol(*session.value(
        "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) from pg_stat_xact_sys_tables "
        "where relname in ('pg_proc', 'pg_class', 'pg_trigger', 'pg_depend', 'pg_attribute')"));
    session.run("rollback");
    return read;
  }
  void fill() {
    stranger.run("do $$ begin "
                 "create temp table mine (id int); "
                 "create function pg_temp.f() returns trigger language plpgsql as "
                 "'begin return null; end'; "
                 "for i in 1.." + std::to_string(crowd) + " loop "
                 "execute format('create function pg_temp.f%s() returns int language sql as "
                 "''select 1''', i); end loop; "
                 "for i in 1.." + std::to_string(crowd) + " loop "
                 "execute format('create trigger t%s after insert on mine for each row execute "
                 "function pg_temp.f()', i); end loop; "
                 "for i in 1.." + std::to_string(crowd / 4) + " loop "
                 "execute format('create temp view v%s as select 1 as one', i); end loop; end $$");
    database.run("analyze");
  }

  Role visitor;
  InstalledDatabase database;
  Session stranger{database.session(visitor.name())};
};

}  // namespace

TEST_CASE("crowded catalog: a look and a status read no more, however much strangers have made") {
  Crowded city;
  const std::vector<std::string> statements{"select * from pgtide.look()",
                                            "select pgtide.status()"};
  std::vector<long> before;
  for (const std::string& statement : statements) before.push_back(city.reads(statement));
  city.fill();
  for (std::size_t n = 0; n < statements.size(); ++n) {
    CAPTURE(statements[n]);
    CHECK(before[n] > 0);
    CHECK(city.reads(statements[n]) < before[n] + crowd / 8);
  }
}

TEST_CASE("crowded catalog: what strangers call like our functions, a look does not read") {
  Crowded city;
  const long before = city.reads("select * from pgtide.look()", true);
  city.stranger.run(
      "do $$ declare p record; begin for p in select a.oid::regtype as one, b.oid::regtype as two "
      "from pg_type a, pg_type b where a.typtype = 'b' and b.typtype = 'b' "
      "and a.typcategory <> 'A' and b.typcategory <> 'A' order by 1, 2 limit " +
      std::to_string(crowd / 2) + " loop "
      "execute format('create function pg_temp.capture_1(%s, %s) returns int language sql as "
      "''select 1''', p.one, p.two); "
      "execute format('create function pg_temp.truncate_1(%s, %s) returns int language sql as "
      "''select 1''', p.one, p.two); end loop; end $$");
  city.database.run("analyze");
  CHECK(before > 0);
  CHECK(city.reads("select * from pgtide.look()", true) < before + crowd / 8);
}

TEST_CASE("crowded catalog: a listed table that is not watched is found by its name, dots and "
          "all") {
  Crowded city;
  city.database.run("create schema \"a.b\"; create table \"a.b\".\"c.d\" (id int); "
                    "create table public.plain (id int); create view public.seen as select 1; "
                    "create sequence public.numbers");
  const auto catalog = read_catalog(city.database.url(),
                                    {"a.b.c.d", "public.plain", "public.seen", "public.numbers",
                                     "public.posts", "public.none", "plain", "", "."});
  REQUIRE(catalog.ok());
  for (const char* there : {"a.b.c.d", "public.plain", "public.seen"}) {
    CAPTURE(std::string(there));
    CHECK((*catalog)->exists_unwatched(there));
  }
  for (const char* other : {"public.numbers", "public.posts", "public.none", "plain", "."}) {
    CAPTURE(std::string(other));
    CHECK_FALSE((*catalog)->exists_unwatched(other));
  }
}
