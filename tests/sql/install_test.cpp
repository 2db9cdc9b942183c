#include <doctest/doctest.h>

#include <atomic>
#include <sstream>
#include <thread>

#include "capture/schema.hpp"
#include "capture/sql_files.hpp"
#include "support/database.hpp"
#include "support/text.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

const char* const everything =
    "select coalesce(string_agg(format('%s %s', classid::regclass, objid), ',' order by classid, "
    "objid), '') from (select 'pg_class'::regclass classid, oid objid from pg_class where "
    "relnamespace > 16383 or relnamespace = 'public'::regnamespace union all select "
    "'pg_namespace'::regclass, oid from pg_namespace where nspname !~ '^pg_' union all select "
    "'pg_trigger'::regclass, oid from pg_trigger union all select 'pg_proc'::regclass, oid from "
    "pg_proc where oid > 16383 union all select 'pg_authid'::regclass, oid from pg_roles) x";

std::string text_of(const Result<void>& result) {
  return result.ok() ? "ok"
                     : std::string(to_string(result.error().kind)) + ": " + result.error().message;
}

std::string capture_role_of(Database& database) {
  return "pgtide_capture_" +
         *database.value("select oid from pg_database where datname = current_database()");
}

void one_change_is_logged(const std::string& url) {
  Session session(url);
  session.run("create table posts (id int primary key, title text)");
  REQUIRE(watch(url, {.table = "posts"}).ok());
  session.run("insert into posts values (1, 'Hi')");
  CHECK(session.run("select action, record, new_row from pgtide.log") ==
        std::vector<Row>{{"c", "1", R"({"id":1,"title":"Hi"})"}});
}

}  // namespace

TEST_CASE("install: as superuser, and a second time it changes nothing") {
  Database database;
  REQUIRE(text_of(install(database.url())) == "ok");
  const auto epoch = database.value("select epoch from pgtide.meta");
  REQUIRE(text_of(install(database.url())) == "ok");
  CHECK(database.value("select epoch from pgtide.meta") == epoch);
  CHECK(database.value("select proowner::regrole from pg_proc where oid = "
                       "'pgtide_api.broadcast_all(json)'::regprocedure") ==
        capture_role_of(database));
  one_change_is_logged(database.url());
}

TEST_CASE("install: as the owner of the database with CREATEROLE") {
  const Role owner("createrole");
  Database database("owner " + owner.name());
  REQUIRE(text_of(install(database.url(owner.name()))) == "ok");
  database.run("grant create on schema public to " + owner.name());
  one_change_is_logged(database.url(owner.name()));
  CHECK(database.value("select capture_role from pgtide.meta") == capture_role_of(database));
  CHECK(text_of(uninstall(database.url(owner.name()))) == "ok");
}

TEST_CASE("install: as an owner without CREATEROLE it warns, names the GRANT, and works") {
  const Role owner;
  Database database("owner " + owner.name());
  std::string warnings;
  InstallOptions options;
  options.warn = [&](std::string_view text) { warnings += text; };
  REQUIRE(text_of(install(database.url(owner.name()), options)) == "ok");
  CHECK(holds(warnings, "CREATE ROLE " + capture_role_of(database)));
  database.run("grant create on schema public to " + owner.name());
  one_change_is_logged(database.url(owner.name()));
}

TEST_CASE("install: a role whose name needs quotes owns its capture functions") {
  Database other;
  other.run(R"(create role "app-owner" login)");
  Database database(R"(owner "app-owner")");
  REQUIRE(text_of(install(database.url("app-owner"))) == "ok");
  database.run("update pgtide.meta set capture_role = null");  // as without CREATEROLE
  database.run("create table posts (id int primary key, title text)");
  database.run("select pgtide.watch('posts')");                // by the superuser
  database.run("insert into posts values (1, 'Hi')");
  CHECK(database.value("select record from pgtide.log") == "1");
  CHECK(database.value("select r.rolname from pg_proc p join pg_roles r on r.oid = p.proowner "
                       "where p.oid = 'pgtide.capture_1()'::regprocedure") == "app-owner");
}

TEST_CASE("install: a role that may not create a schema is told the GRANT") {
  const Role stranger;
  Database database;
  const std::string text = text_of(install(database.url(stranger.name())));
  CHECK_MESSAGE(holds(text, "GRANT CREATE ON DATABASE"), text);
  REQUIRE(text_of(install(database.url())) == "ok");
  const std::string again = text_of(install(database.url(stranger.name())));
  CHECK_MESSAGE(holds(again, "GRANT postgres TO " + stranger.name()), again);
}

TEST_CASE("install: over an older schema it upgrades, over a newer one it refuses") {
  Database database;
  REQUIRE(install(database.url()).ok());
  one_change_is_logged(database.url());
  database.run(
      "update pgtide.meta set schema_version = 1; drop function pgtide.look(int, int);"
      // As version 1 had them.
      "create function pgtide.look() returns table (collection int, name text, wrong text, "
      "mend text) language sql as 'select 1, null, null, null where false';"
      "create function pgtide.record_look(was pgtide.collection, is_now pgtide.collection, "
      "wrong text) returns void language sql as '';"
      "alter table pgtide.collection drop column reported;"
      "drop view pgtide.tick;"
      "alter table pgtide.tick0 drop column last_id, drop column xid;"
      "alter table pgtide.tick1 drop column last_id, drop column xid;"
      "alter table pgtide.tick2 drop column last_id, drop column xid;"
      "create view pgtide.tick as select 0 as tick, t.* from pgtide.tick0 t;"
      "insert into pgtide.tick0 values (1, 1, '3:3:');"
      "create or replace function pgtide.capture_1() returns trigger language plpgsql as "
      "'begin return null; end'");
  REQUIRE(text_of(install(database.url())) == "ok");
  database.run("insert into posts values (2, 'Ho')");
  CHECK(database.value("select count(*) from pgtide.log") == "2");
  CHECK(database.value("select schema_version from pgtide.meta") == std::to_string(schema_version));
  CHECK(database.value("select count(*) from pgtide.look()") == "0");
  CHECK(database.value("select count(*) from pgtide.tick where last_id is null") == "1");
  CHECK(database.value("select count(*) from pg_proc where pronamespace = 'pgtide'::regnamespace "
                       "and proname in ('look', 'record_look')") == "2");
  database.run("update pgtide.meta set schema_version = 99");
  const auto refused = install(database.url());
  REQUIRE(!refused.ok());
  CHECK(refused.error().kind == ErrorKind::conflict);
  CHECK(holds(refused.error().message, "newer pgtide"));
}

TEST_CASE("install: the cursors' key is made once, kept by upgrades, and read by members only") {
  const Role member;
  const Role stranger;
  Database database;
  REQUIRE(text_of(install(database.url())) == "ok");
  const char* const key = "select encode(cursor_key, 'hex') from pgtide.meta";
  const auto made = database.value(key);
  REQUIRE(made.has_value());
  CHECK(made->size() == 64);
  REQUIRE(text_of(install(database.url())) == "ok");
  CHECK(database.value(key) == made);
  // As version 2 had it.
  database.run(
      "alter table pgtide.meta drop column cursor_key; "
      "update pgtide.meta set schema_version = 2");
  REQUIRE(text_of(install(database.url())) == "ok");
  const auto anew = database.value(key);
  REQUIRE(anew.has_value());
  CHECK(anew->size() == 64);
  CHECK(*anew != *made);
  Database another;
  REQUIRE(text_of(install(another.url())) == "ok");
  CHECK(another.value(key) != anew);

  database.run("grant postgres to " + member.name());
  const auto read_as = [&](const Role& role) {
    return database.value("select has_schema_privilege('" + role.name() +
                          "', 'pgtide', 'usage')"
                          " and has_column_privilege('" +
                          role.name() + "', 'pgtide.meta', 'cursor_key', 'select')");
  };
  CHECK(read_as(member) == "t");
  CHECK(read_as(stranger) == "f");
  CHECK(database.value("select bool_or(has_column_privilege(rolname, 'pgtide.meta', 'cursor_key', "
                       "'select')) from pg_roles where rolname like 'pgtide_capture%'") == "f");
}

TEST_CASE("install: the first statement of each file looks in pg_catalog only") {
  for (const EmbeddedFile& file : sql_files()) {
    std::istringstream text{std::string(file.text)};
    std::string line = "--";
    while (line.empty() || line.starts_with("--")) std::getline(text, line);
    CHECK_MESSAGE(line == "set search_path = pg_catalog, pg_temp;", file.name);
  }
}

TEST_CASE("install: refuses tables of an older one that call what others have made") {
  for (const char* hostile :
       {"alter table pgtide.log0 alter at set default public.evil()",
        "alter table pgtide.rotation add check (public.evil() is not null)"}) {
    Database database;
    REQUIRE(install(database.url()).ok());
    database.run(
        "create function public.evil() returns timestamptz language sql as 'select now()'");
    database.run(hostile);
    const std::string text = text_of(install(database.url()));
    CHECK_MESSAGE(holds(text, "conflict: tables of schema pgtide call"), text);
    CHECK_MESSAGE(holds(text, "function public.evil()"), text);
  }
}

TEST_CASE("install: the way of PostgreSQL 13 and 14 takes logged sequences") {
  Database database;
  const char* const persistence =
      "select relpersistence from pg_class where oid = 'pgtide.armed'::regclass";
  REQUIRE(install(database.url(), {.force_logged_sequences = true}).ok());
  CHECK(database.value(persistence) == "p");
  one_change_is_logged(database.url());
  REQUIRE(install(database.url()).ok());
  CHECK(database.value(persistence) ==
        (Session(database.url()).server_version() < 150'000 ? "p" : "u"));
  CHECK(database.value("select pg_sequence_last_value('pgtide.armed')") == "0");
}

TEST_CASE("install: refuses a publication FOR ALL TABLES unless forced") {
  Database database;
  database.run("create publication everything for all tables");
  CHECK(holds(text_of(install(database.url())), "FOR ALL TABLES"));
  CHECK(text_of(install(database.url(), {.force = true})) == "ok");
}

TEST_CASE("install: where an event trigger refuses tables without a key it says what to do") {
  Database database;
  database.run(R"(
    create function want_keys() returns event_trigger language plpgsql as $$
    declare made record;
    begin
      for made in select * from pg_event_trigger_ddl_commands() where object_type = 'table' loop
        if not exists (select from pg_constraint where conrelid = made.objid and contype = 'p') then
          raise exception 'table % has no primary key', made.object_identity;
        end if;
      end loop;
    end $$;
    create event trigger "Want keys" on ddl_command_end when tag in ('CREATE TABLE')
      execute function want_keys();
    alter event trigger "Want keys" enable always;
    create function look_on() returns event_trigger language plpgsql as 'begin end';
    create event trigger onlooker on ddl_command_end execute function look_on())");
  const auto refused = install(database.url());
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message ==
        "table pgtide.log0 has no primary key; event trigger \"Want keys\" refuses it: let it pass "
        "schema pgtide (a primary key on the log tables would cost every writer), or: ALTER EVENT "
        "TRIGGER \"Want keys\" DISABLE; pgtide install; ALTER EVENT TRIGGER \"Want keys\" ENABLE "
        "ALWAYS;");
  database.run("alter event trigger \"Want keys\" disable");
  install_in(database);
  database.run("alter event trigger \"Want keys\" enable always");
  install_in(database);
  database.run("create table t (id int primary key)");
  CHECK(watch(database.url(), {.table = "t"}).ok());
  CHECK(database.run("select * from pgtide.look()").empty());
}

TEST_CASE("uninstall: leaves no trace, while a table is watched and has partitions") {
  Database database;
  database.run(
      "create table posts (id int primary key); create table parts (id int primary key) "
      "partition by range (id); create table part partition of parts default");
  const auto before = database.value(everything);
  REQUIRE(install(database.url()).ok());
  REQUIRE(watch(database.url(), {.table = "posts"}).ok());
  REQUIRE(watch(database.url(), {.table = "parts", .collection = "pieces"}).ok());
  CHECK(database.value(everything) != before);
  REQUIRE(text_of(uninstall(database.url())) == "ok");
  CHECK(database.value(everything) == before);
}

TEST_CASE("rights: the capture role may create nothing in the schema, ever") {
  Database database;
  const std::string role = capture_role_of(database);
  const std::string may_create = "select bool_or(has_schema_privilege('" + role +
                                 "', s, 'create')) from unnest('{pgtide,pgtide_api}'::text[]) s";
  REQUIRE(install(database.url()).ok());
  CHECK(database.value(may_create) == "f");
  one_change_is_logged(database.url());
  CHECK(database.value(may_create) == "f");
  database.run("grant create on schema pgtide, pgtide_api to " + role);  // as it was once
  REQUIRE(install(database.url()).ok());
  CHECK(database.value(may_create) == "f");
}

TEST_CASE("rights: the look needs no USAGE on the schema of a watched table") {
  const Role owner("createrole");
  Database database("owner " + owner.name());
  REQUIRE(install(database.url(owner.name())).ok());
  database.run("create schema hidden; create table hidden.posts (id int primary key)");
  database.run("select pgtide.watch('hidden.posts')");
  Session session = database.session(owner.name());
  CHECK(session.run("select name, wrong from pgtide.look()") == std::vector<Row>{});
  database.run("drop table hidden.posts");
  CHECK(session.run("select name, wrong from pgtide.look()") ==
        std::vector<Row>{{"posts", "table hidden.posts is gone"}});
}

TEST_CASE("uninstall: says that nothing is installed where nothing is") {
  Database database;
  CHECK(text_of(uninstall(database.url())) ==
        "not_found: nothing is installed in database " + database.name());
}

TEST_CASE("rotation: a log table is sealed although its switch died before it committed") {
  Database database;
  REQUIRE(install(database.url()).ok());
  one_change_is_logged(database.url());
  Session session = database.session();
  session.run("begin");
  session.run("select pgtide.switch_log()");
  session.run("rollback");
  session.run("select pgtide.seal_log()");
  CHECK(session.run("select log, switched_at is not null, seal is not null from pgtide.rotation "
                    "order by log") ==
        std::vector<Row>{{"0", "t", "t"}, {"1", "f", "f"}, {"2", "f", "f"}});
}

TEST_CASE("rotation: the newest tick up to a moment is found, holes or none") {
  Database database;
  REQUIRE(install(database.url()).ok());
  database.run(
      "insert into pgtide.tick1 select g, 1, '3:3:', timestamptz '2026-01-01' + "
      "interval '1 s' * g from generate_series(101, 900) g where g <> 500");
  const auto before = [&](const std::string& seconds) {
    return database.value("select pgtide.tick_before(timestamptz '2026-01-01' + interval '" +
                          seconds + " s')");
  };
  CHECK(before("100") == std::nullopt);
  CHECK(before("101") == "101");
  CHECK(before("500") == "499");
  CHECK(before("777.5") == "777");
  CHECK(before("5000") == "900");
}

TEST_CASE("rights: nobody but the installer reads the log, and PUBLIC may call nothing") {
  const Role stranger;
  Database database;
  database.run("alter default privileges grant select on tables to public");
  REQUIRE(install(database.url()).ok());
  database.run("create table posts (id int primary key); grant insert on posts to " +
               stranger.name() + "; grant usage on schema pgtide, pgtide_api to " +
               stranger.name());
  REQUIRE(watch(database.url(), {.table = "posts"}).ok());
  Session session = database.session(stranger.name());
  CHECK(session.attempt("insert into posts values (1)").ok());
  CHECK(session.attempt("select * from pgtide.log0").sqlstate == "42501");
  CHECK(session.attempt("select pgtide_api.broadcast('a', '{}')").sqlstate == "42501");
  CHECK(session
            .attempt("create temp table mine (id int); create trigger t after insert on mine "
                     "for each row execute function pgtide.capture_1()")
            .sqlstate == "42501");
  database.run("grant execute on function pgtide_api.broadcast(text, json) to " + stranger.name());
  CHECK(session.attempt("select pgtide_api.broadcast('a', '{}')").ok());
}

// The stranger makes and drops a schema for as long as the commands look whether there is one.
TEST_CASE("rights: where nothing is installed, no command calls a schema that appears meanwhile") {
  const Role maker;
  Database database;
  database.run("create table posts (id int primary key); create sequence called; grant all on "
               "sequence called to public; grant create on database " + database.name() + " to " +
               maker.name());
  const std::string nothing = "not_found: database " + database.name() +
                              " has no pgtide schema; run: pgtide install";
  const auto watched = watch(database.url(), {.table = "posts"});
  REQUIRE_FALSE(watched.ok());
  CHECK(watched.error().message == nothing.substr(nothing.find(' ') + 1));
  CHECK(text_of(unwatch(database.url(), "posts")) == nothing);
  std::atomic<bool> done = false;
  std::thread stranger([&, url = database.url(maker.name())] {
    Session session(url);
    while (!done) {
      session.attempt("create schema pgtide; create table pgtide.collection (relation oid); "
                      "create function pgtide.watch(regclass, text, text[], boolean, boolean) "
                      "returns text language sql as 'select nextval(''public.called'')::text'; "
                      "create function pgtide.forget(text) returns void language sql as "
                      "'select nextval(''public.called'')'");
      session.attempt("drop schema pgtide cascade");
    }
  });
  for (int i = 0; i < 150; ++i) {
    CHECK_FALSE(watch(database.url(), {.table = "posts"}).ok());
    CHECK_FALSE(unwatch(database.url(), "posts").ok());
  }
  done = true;
  stranger.join();
  CHECK(database.value("select is_called from called") == "f");
}

TEST_CASE("install: a table of an application that uses our row types does not stop an upgrade") {
  Database database;
  REQUIRE(install(database.url()).ok());
  for (const char* table : {"collection", "meta"})
    database.run(std::string("create table of_") + table + " (c pgtide." + table + ")");
  database.run(
      "alter table pgtide.meta drop column cursor_key; alter table pgtide.collection "
      "drop column key_columns, drop column key_given, drop column ignore_rls, "
      "drop column filenodes, drop column guard, drop column looked_at, drop column reported, "
      "drop column shape, drop column table_owner, drop column beside, drop column labels");
  CHECK(text_of(install(database.url())) == "ok");
  CHECK(database.value("select pg_get_expr(d.adbin, d.adrelid) from pg_attrdef d join "
                       "pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum where "
                       "attname = 'looked_at'") == "clock_timestamp()");
  one_change_is_logged(database.url());
}
