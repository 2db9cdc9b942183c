// What the capture role may do, who else has rights in the schema, and what is seen of either.
#include <doctest/doctest.h>

#include "support/installed_database.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

std::string role_of(Database& database) {
  return *database.value("select capture_role from pgtide.meta");
}

void watch_posts(Database& database) {
  database.run("create table posts (id int primary key, title text)");
  const auto done = watch(database.url(), {.table = "posts"});
  REQUIRE_MESSAGE(done.ok(), (done.ok() ? "" : done.error().message));
}

// What the leader's look and status say is wrong, beside the mend.
std::string faults_of(Database& database) {
  std::string text;
  for (const Row& row : database.run("select wrong || ': ' || mend from pgtide.look()"))
    text += row[0] + '\n';
  const std::string status = *database.value("select pgtide.status() -> 'faults'");
  if (text.empty() != (status == "[]")) text += "but status says " + status;
  return text;
}

// The role that all databases of a cluster shared until version 3, and this one's functions are
// its.
void share_role_as_before(Database& database) {
  const std::string role = role_of(database);
  database.run(
      "do $$ begin if not exists (select from pg_roles where rolname = 'pgtide_capture') "
      "then create role pgtide_capture noinherit; end if; end $$");
  database.run(
      "grant all on schema pgtide to pgtide_capture; "
      "grant select, insert on pgtide.log, pgtide.log0 to pgtide_capture; "
      "update pgtide.meta set capture_role = 'pgtide_capture'; "
      "update pgtide.meta set schema_version = 2");
  database.run(
      "do $$ declare f regprocedure; begin for f in select oid from pg_proc where proowner "
      "= '" +
      role +
      "'::regrole loop execute format('alter function %s owner to "
      "pgtide_capture', f); end loop; end $$");
  database.run("drop owned by " + role);
  database.run("drop role " + role);
}

}  // namespace

TEST_CASE("rights: whoever has installed lets others send custom events, by two GRANTs") {
  const Role owner("createrole"), application;
  Database database("owner " + owner.name());
  const auto install_as_owner = [&] {
    const Result<void> done = install(database.url(owner.name()));
    if (!done) FAIL(done.error().to_string());
  };
  install_as_owner();
  database.session(owner.name())
      .run("grant usage on schema pgtide_api to " + application.name() +
           "; grant execute on function pgtide_api.broadcast(text, json), "
           "pgtide_api.broadcast_all(json) to " + application.name());
  CHECK(faults_of(database) == "");
  install_as_owner();
  database.session(application.name())
      .run("select pgtide_api.broadcast('news', '1'), pgtide_api.broadcast_all('2')");
  CHECK(database.value("select count(*) from pgtide.log where action = 'x'") == "2");
}

TEST_CASE("rights: the capture role reads of the log what its own transaction wrote, and no more") {
  InstalledDatabase database;
  watch_posts(database);
  database.run("insert into posts values (1, 'secret')");
  Session session = database.session();
  session.run("set role " + role_of(database));
  for (const char* forbidden : {"select new_row from pgtide.log0", "select new_row from pgtide.log",
                                "select record from pgtide.log1", "select * from pgtide.collection",
                                "select * from pgtide.meta", "select * from pgtide.tick0",
                                "delete from pgtide.log0", "update pgtide.log0 set new_row = null",
                                "update pgtide.log0 set id = 1", "select id from pgtide.log0",
                                "update pgtide.own_log0 set new_row = null",
                                "insert into pgtide.fingerprint values ('f', 'p')"})
    CHECK_MESSAGE(session.attempt(forbidden).sqlstate == "42501", forbidden);
  CHECK(session.run("select * from pgtide.own_log").empty());
  for (const char* none : {"update pgtide.own_log0 set id = 1", "update pgtide.own_log1 set id = 1",
                           "update pgtide.own_log2 set id = 1",
                           "update pgtide.own_log0 set old_tid = '(0,1)'"})
    CHECK_MESSAGE(session.attempt(none).ok(), none);
  CHECK(database.value("select count(*) from pgtide.log where id = 1 and old_tid is null") == "1");
}

TEST_CASE("rights: nobody is a member of the capture role, nor it of others, or it is a fault") {
  const Role installer("createrole"), other("createrole"), granted;
  Database database("owner " + installer.name());
  REQUIRE(install(database.url(installer.name())).ok());
  database.run("grant create on schema public to " + installer.name());
  database.session(installer.name()).run("create table posts (id int primary key)");
  REQUIRE(watch(database.url(installer.name()), {.table = "posts"}).ok());
  const std::string role = role_of(database);
  CHECK(faults_of(database) == "");
  // PostgreSQL 16 keeps who granted, and lets nobody else but a superuser revoke it.
  Session owner = database.session(installer.name());
  const std::string granted_by =
      owner.server_version() < 160'000 ? "" : " GRANTED BY " + installer.name();
  owner.run("grant " + role + " to " + other.name() + " with admin option");
  CHECK(faults_of(database) == "role " + other.name() + " is a member of role " + role +
                                   ": more than capture needs: REVOKE " + role + " FROM " +
                                   other.name() + granted_by + " CASCADE;\n");
  REQUIRE(install(database.url(installer.name())).ok());
  CHECK(database.value("select pg_has_role('" + other.name() + "', '" + role + "', 'member')") ==
        "f");
  CHECK(faults_of(database) == "");
  database.run("grant " + granted.name() + " to " + installer.name() + " with admin option");
  owner.run("grant " + granted.name() + " to " + role);
  CHECK(faults_of(database).find("REVOKE " + granted.name() + " FROM " + role) !=
        std::string::npos);
  REQUIRE(install(database.url(installer.name())).ok());
  CHECK(faults_of(database) == "");
  // What the installer may not revoke, it names.
  database.run("grant postgres to " + role);
  const auto refused = install(database.url(installer.name()));
  REQUIRE_FALSE(refused.ok());
  CHECK_MESSAGE(refused.error().message.find("REVOKE postgres FROM " + role) !=
                    std::string::npos,
                refused.error().message);
  database.run("revoke postgres from " + role + "; alter role " + role + " login");
  CHECK(faults_of(database).find("role " + role + " may do more than capture needs: ALTER ROLE") !=
        std::string::npos);
  database.run("alter role " + role + " nologin");
  CHECK(faults_of(database) == "");
}

TEST_CASE("rights: those on columns alone are taken away like others, and a fault till then") {
  const Role stranger;
  InstalledDatabase database;
  watch_posts(database);
  for (const char* grant : {"grant select (new_row) on pgtide.log0 to ",
                            "grant update (new_row), insert (collection) on pgtide.log1 to ",
                            "grant select (new_row) on pgtide.log to "}) {
    database.run(grant + stranger.name());
    CHECK(faults_of(database).find(stranger.name() + " has rights on table pgtide.log") == 0);
    REQUIRE(install(database.url()).ok());
    CHECK(faults_of(database) == "");
  }
  CHECK(database.value("select has_column_privilege('" + stranger.name() +
                       "', 'pgtide.log0', 'new_row', 'select')") == "f");
}

TEST_CASE("rights: what the capture role was given beyond its own is taken away by install") {
  Database database;
  REQUIRE(install(database.url()).ok());
  const std::string role = role_of(database);
  database.run("grant select, update on pgtide.log0, pgtide.meta, pgtide.collection to " + role +
               "; grant update on sequence pgtide.current to " + role);
  REQUIRE(install(database.url()).ok());
  CHECK(database.value("select bool_or(has_table_privilege('" + role + "', t, p)) from unnest("
                       "array['pgtide.log0', 'pgtide.meta', 'pgtide.collection']) t, "
                       "unnest(array['select', 'update', 'delete']) p") == "f");
  CHECK(database.value("select has_sequence_privilege('" + role +
                       "', 'pgtide.current', 'update')") == "f");
}

TEST_CASE("fingerprint: a view that is not as it was installed is a fault with its mend") {
  InstalledDatabase database;
  watch_posts(database);
  CHECK(faults_of(database) == "");
  for (const char* sql :
       {"alter view pgtide.own_log0 reset (security_barrier)",
        "create or replace view pgtide.own_log with (security_barrier) as select * from "
        "pgtide.log"}) {
    CAPTURE(std::string(sql));
    database.run(sql);
    CHECK(faults_of(database).find(" is not as it was installed: pgtide install\n") !=
          std::string::npos);
    REQUIRE(install(database.url()).ok());
    CHECK(faults_of(database) == "");
  }
  database.run("create view pgtide.mine as select 1 as one");
  CHECK(faults_of(database) ==
        "view pgtide.mine is not one of pgtide's: DROP VIEW pgtide.mine;\n");
  // Another major version writes views otherwise.
  database.run("drop view pgtide.mine; update pgtide.fingerprint set print = '9:other' where "
               "function = 'view pgtide.log'");
  CHECK(faults_of(database) == "");
}

TEST_CASE("rights: each database has a capture role of its own, with no other's installer in it") {
  const Role first("createrole"), second("createrole");
  Database one("owner " + first.name()), other("owner " + second.name());
  REQUIRE(install(one.url(first.name())).ok());
  REQUIRE(install(other.url(second.name())).ok());
  CHECK(role_of(one) != role_of(other));
  CHECK(one.value("select pg_has_role('" + second.name() + "', '" + role_of(one) +
                  "', 'member')") == "f");
  const std::string role = role_of(one);
  one.session(first.name()).run("grant " + role + " to " + second.name());
  REQUIRE(install(one.url(first.name())).ok());
  CHECK(one.value("select pg_has_role('" + second.name() + "', '" + role + "', 'member')") == "f");
  REQUIRE(uninstall(one.url(first.name())).ok());
  CHECK(other.value("select count(*) from pg_roles where rolname = '" + role + "'") == "0");
}

TEST_CASE("install: gives a copy of a database a capture role of its own, whoever has installed") {
  const Role op("createrole createdb");
  Database one("owner " + op.name());
  REQUIRE(install(one.url(op.name())).ok());
  one.session(op.name()).run("create table posts (id int primary key, title text)");
  REQUIRE(watch(one.url(op.name()), {.table = "posts"}).ok());
  Database copy("template " + one.name() + " owner " + op.name());
  CHECK(faults_of(copy) == "the capture functions run as role " + role_of(one) +
                               ", which is not of this database: it was copied or restored: "
                               "pgtide install\n");
  const Result<void> installed = install(copy.url(op.name()));
  REQUIRE_MESSAGE(installed.ok(), (installed.ok() ? "" : installed.error().message));
  CHECK(role_of(copy) != role_of(one));
  CHECK(copy.run("select distinct proowner::regrole::text from pg_proc where prosecdef and "
                 "pronamespace in ('pgtide'::regnamespace, 'pgtide_api'::regnamespace)") ==
        std::vector<Row>{{role_of(copy)}});
  for (Database* database : {&one, &copy}) {
    CHECK(faults_of(*database) == "");
    database->run("insert into posts values (1, 'Hi')");
    database->session(op.name()).run("select pgtide_api.broadcast('posts', '{}')");
    CHECK(database->value("select count(*) from pgtide.log") == "2");
  }
  REQUIRE(uninstall(copy.url(op.name())).ok());
  CHECK(faults_of(one) == "");
}

TEST_CASE("install: moves an installation of version 2 from the role that all shared to its own") {
  Database one, other;
  for (Database* database : {&one, &other}) {
    REQUIRE(install(database->url()).ok());
    watch_posts(*database);
    share_role_as_before(*database);
  }
  const char* const shared = "select count(*) from pg_roles where rolname = 'pgtide_capture'";
  for (Database* database : {&one, &other}) {
    CHECK(database->value(shared) == "1");
    REQUIRE(install(database->url()).ok());
    database->run("insert into posts values (1, 'Hi')");
    CHECK(database->value("select count(*) from pgtide.log") == "1");
    CHECK(database->value("select proowner::regrole from pg_proc where oid = "
                          "'pgtide.capture_1()'::regprocedure") == role_of(*database));
    CHECK(faults_of(*database) == "");
  }
  CHECK(one.value(shared) == "0");
}

TEST_CASE("fingerprint: a function that is not as it was installed is a fault with its mend") {
  struct Case {
    const char* why;
    const char* sql;
    const char* says;
    bool no_look = false;  // the look itself is out of order
  };
  const Case cases[] = {
      {"SECURITY INVOKER", "alter function pgtide_api.broadcast(text, json) security invoker",
       "function pgtide_api.broadcast(text,json) is not as it was installed: pgtide install\n"},
      {"configuration", "alter function pgtide.capture_1() set search_path = public",
       "function pgtide.capture_1() is not as it was installed: pgtide install\n"},
      {"owner",
       "alter function pgtide.append owner to postgres; "
       "alter function pgtide_api.broadcast_all owner to postgres",
       "function pgtide_api.broadcast_all(json) is not as it was installed: pgtide install\n"},
      {"source",
       "create or replace function pgtide.wake() returns void language plpgsql set "
       "search_path = pg_catalog, pg_temp as 'begin end'",
       "function pgtide.wake() is not as it was installed: pgtide install\n"},
      {"strict: a call with null does nothing",
       "alter function pgtide.repair(int, text, tid) strict",
       "function pgtide.repair(integer,text,tid) is not as it was installed: pgtide install\n"},
      {"volatility", "alter function pgtide.queue_has_room() immutable",
       "function pgtide.queue_has_room() is not as it was installed: pgtide install\n"},
      {"parallel", "alter function pgtide.random_bigint() parallel safe",
       "function pgtide.random_bigint() is not as it was installed: pgtide install\n"},
      {"leakproof", "alter function pgtide.serves(oid, oid) leakproof",
       "function pgtide.serves(oid,oid) is not as it was installed: pgtide install\n"},
      {"cost", "alter function pgtide.serves(oid, oid) cost 1000000",
       "function pgtide.serves(oid,oid) is not as it was installed: pgtide install\n"},
      {"rows", "alter function pgtide.told_faults() rows 7",
       "function pgtide.told_faults() is not as it was installed: pgtide install\n"},
      {"what plans it", "alter function pgtide.serves(oid, oid) support numeric_support",
       "function pgtide.serves(oid,oid) is not as it was installed: pgtide install\n"},
      {"defaults",
       "do $$ begin execute replace(pg_get_functiondef('pgtide.look'::regproc), "
       "'DEFAULT 2147483647', 'DEFAULT 0'); end $$",
       "function pgtide.look(integer,integer) is not as it was installed: pgtide install\n", true},
      {"names of arguments",
       "update pg_proc set proargnames = '{upto,past,collection,name,wrong,mend}' "
       "where oid = 'pgtide.look'::regproc",
       "function pgtide.look(integer,integer) is not as it was installed: pgtide install\n", true},
      {"gone", "drop function pgtide.set_horizon(bigint)",
       "function pgtide.set_horizon(bigint) is gone: pgtide install\n"},
  };
  for (const Case& one : cases) {
    CAPTURE(std::string(one.why));
    InstalledDatabase database;
    watch_posts(database);
    CHECK(faults_of(database) == "");
    database.run(one.sql);
    if (one.no_look) {
      CHECK(database.value("select wrong || ': ' || mend || chr(10) from "
                           "pgtide.schema_faults()") == one.says);
      continue;
    }
    CHECK(faults_of(database) == one.says);
    REQUIRE(install(database.url()).ok());
    CHECK(faults_of(database) == "");
  }
}

TEST_CASE("fingerprint: a function that somebody put beside ours stays a fault until it is gone") {
  InstalledDatabase database;
  watch_posts(database);
  database.run(
      "create function pgtide.append(int) returns int language sql as 'select 1'; "
      "revoke all on function pgtide.append(int) from public");
  const std::string says =
      "function pgtide.append(integer) is not one of pgtide's: DROP FUNCTION "
      "pgtide.append(integer);\n";
  CHECK(faults_of(database) == says);
  REQUIRE(install(database.url()).ok());
  CHECK(faults_of(database) == says);
  database.run("drop function pgtide.append(int)");
  CHECK(faults_of(database) == "");
}

TEST_CASE("rights: what default privileges give to others is taken away, and a fault till then") {
  const Role stranger;
  Database database;
  database.run("alter default privileges grant execute on functions to " + stranger.name() +
               "; alter default privileges grant all on tables to " + stranger.name() +
               "; alter default privileges grant all on sequences to " + stranger.name() +
               "; alter default privileges grant all on schemas to " + stranger.name());
  REQUIRE(install(database.url()).ok());
  watch_posts(database);
  CHECK(database.run("select * from pgtide.rights_of_others()").empty());
  CHECK(database.value("select has_function_privilege('" + stranger.name() +
                       "', 'pgtide.capture_1()', 'execute')") == "f");
  CHECK(faults_of(database) == "");
  database.run("grant execute on function pgtide.look(int, int) to " + stranger.name());
  CHECK(faults_of(database) == stranger.name() +
                                   " has rights on function pgtide.look(integer,integer) that let "
                                   "it in: pgtide install\n");
  REQUIRE(install(database.url()).ok());
  CHECK(faults_of(database) == "");
  // As the manual has it.
  CHECK(database.value("select bool_or(has_function_privilege('" + stranger.name() +
                       "', p.oid, 'execute') or has_schema_privilege('" + stranger.name() +
                       "', p.pronamespace, 'usage')) from pg_proc p join pg_namespace n on n.oid = "
                       "p.pronamespace where n.nspname like 'pgtide%'") == "f");
  database.run("grant usage on schema pgtide_api to " + stranger.name() +
               "; grant execute on function pgtide_api.broadcast(text, json) to " +
               stranger.name());
  CHECK(faults_of(database) == "");
  CHECK(database.session(stranger.name()).attempt("select pgtide_api.broadcast('a', '1')").ok());
  database.run("drop owned by " + stranger.name());
}

TEST_CASE("rights: to use schema pgtide is for members alone, a fault of others, taken away") {
  const Role stranger;
  InstalledDatabase database;
  watch_posts(database);
  const Role member("in role postgres");
  database.run("grant usage, create on schema pgtide to " + member.name());
  CHECK(faults_of(database) == "");
  const std::string says = " has rights on schema pgtide that let it in: pgtide install\n";
  for (const std::string& who : {stranger.name(), std::string("public")}) {
    database.run("grant usage on schema pgtide to " + who);
    CHECK(faults_of(database) == who + says);
    std::string warning;
    REQUIRE(install(database.url(), {.warn = [&](std::string_view text) {
                      warning += text;
                    }}).ok());
    CHECK_MESSAGE(warning.find("GRANT USAGE ON SCHEMA pgtide_api TO " + who) != std::string::npos,
                  warning);
    CHECK(faults_of(database) == "");
  }
  CHECK(database.value("select has_schema_privilege('" + stranger.name() +
                       "', 'pgtide', 'usage')") == "f");
  // The old shared grants of public on the new schema are no better.
  database.run("grant usage, create on schema pgtide_api to public");
  CHECK(faults_of(database) ==
        "public has rights on schema pgtide_api that let it in: pgtide install\n");
  REQUIRE(install(database.url()).ok());
  CHECK(faults_of(database) == "");
  database.run("drop owned by " + member.name());
}

TEST_CASE("uninstall: what a stranger has granted to the capture role does not keep it") {
  const Role stranger;
  Database database, other;
  REQUIRE(install(database.url()).ok());
  const std::string role = role_of(database);
  const std::string there = "select count(*) from pg_roles where rolname = '" + role + "'";
  database.run("grant create on schema public to " + stranger.name());
  Session session = database.session(stranger.name());
  session.run("create table mine (id int); grant select on mine to " + role);
  std::string warnings;
  const auto warn = [&](std::string_view text) { warnings += text; };
  REQUIRE(uninstall(database.url(), warn).ok());
  CHECK_MESSAGE(warnings == "", warnings);
  CHECK(database.value(there) == "0");
  // In another database nobody can take it away from here, and while it is open nobody at all.
  REQUIRE(install(database.url()).ok());
  other.run("create table theirs (id int); grant select on theirs to " + role);
  REQUIRE(uninstall(database.url(), warn).ok());
  CHECK_MESSAGE(warnings.find("role " + role + " stays: it owns or was granted something in "
                              "database " + other.name()) != std::string::npos, warnings);
  other.run("drop owned by " + role + "; drop role " + role);
  REQUIRE(install(database.url()).ok());
  session.run("begin");
  session.run("grant select on mine to " + role);
  warnings.clear();
  const auto done = uninstall(database.url(), warn);
  CHECK_MESSAGE(done.ok(), (done.ok() ? "" : done.error().message));
  CHECK_MESSAGE(warnings.find("process " + std::to_string(session.pid())) != std::string::npos,
                warnings);
  session.run("rollback");
  database.run("drop role " + role);
  database.run("drop table mine");
}

// From PostgreSQL 16 on CREATEROLE gives no rights on roles that others made.
TEST_CASE("rights: a capture role that somebody else has made is no way to widen what it may do") {
  const Role owner("createrole"), stranger("createrole");
  Database database("owner " + owner.name());
  if (Session(database.url()).server_version() < 160'000) return;
  const std::string role =
      "pgtide_capture_" +
      *database.value("select oid from pg_database where datname = current_database()");
  database.session(stranger.name()).run("create role " + role);
  const auto refused = install(database.url(owner.name()));
  REQUIRE_FALSE(refused.ok());
  CHECK_MESSAGE(refused.error().message.find("DROP ROLE " + role) != std::string::npos,
                refused.error().message);
  REQUIRE(install(database.url(owner.name()), {.force = true}).ok());
  CHECK_MESSAGE(faults_of(database).find("the capture functions run as " + owner.name() +
                                         " itself") != std::string::npos, faults_of(database));
  database.run("drop owned by " + role + "; drop role " + role);
  REQUIRE(install(database.url(owner.name())).ok());
  CHECK(faults_of(database) == "");
  CHECK(role_of(database) == role);
}
