// Schema pgtide_api: what an application may call, and what it may do with the right to call it.
#include <doctest/doctest.h>

#include "capture/broadcaster.hpp"
#include "capture/connection_string.hpp"
#include "capture/database_session.hpp"
#include "capture/fault.hpp"
#include "capture/position.hpp"
#include "support/installed_database.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

const std::string functions =
    "pgtide_api.broadcast(text, json), pgtide_api.broadcast_all(json)";

// As docs/capture.md says.
void let_broadcast(Database& database, const Role& app) {
  database.run("grant usage on schema pgtide_api to " + app.name() +
               "; grant execute on function " + functions + " to " + app.name());
}

std::string faults_in(Database& database) {
  std::string text;
  for (const Row& row : database.run("select wrong || ': ' || mend from pgtide.schema_faults()"))
    text += row[0] + '\n';
  return text;
}

std::string count_of_log(Database& database) {
  return *database.value("select count(*) from pgtide.log");
}

std::string install_error(Database& database, std::string* warnings = nullptr) {
  const auto done = install(database.url(), {.warn = [&](std::string_view text) {
                              if (warnings != nullptr) warnings->append(text);
                            }});
  return done.ok() ? "" : done.error().message;
}

// As it was before the schema pgtide_api: the functions and whoever calls them in schema pgtide.
void move_back(Database& database) {
  database.run("alter function pgtide_api.broadcast(text, json) set schema pgtide; "
               "alter function pgtide_api.broadcast_all(json) set schema pgtide; "
               "drop schema pgtide_api; update pgtide.fingerprint set function = replace(function, "
               "'pgtide_api.', 'pgtide.')");
}

}  // namespace

// A lock of a stranger's nextval() on the log conflicts with what the second one asks for by name,
// and writers would wait behind that.
TEST_CASE("api: whoever may broadcast names no table of ours, and has no lock on one waited for") {
  const Role app;
  InstalledDatabase database;
  database.run("create table posts (id int primary key); create table mine (id int); "
               "alter table mine owner to " + app.name());
  REQUIRE(watch(database.url(), {.table = "posts"}).ok());
  let_broadcast(database, app);
  Session holder = database.session(app.name());
  const std::string log = *database.value("select 'pgtide.log0'::regclass::oid");
  holder.run("begin; savepoint s");
  CHECK_FALSE(holder.attempt("select nextval(" + log + "::oid::regclass)").ok());
  holder.run("rollback to s");
  Session session = database.session(app.name());
  session.run("set lock_timeout = '1s'");
  for (const char* statement : {
           "create trigger t before insert on pgtide.log0 for each row execute function "
           "suppress_redundant_updates_trigger()",
           "create trigger t after insert on mine for each row execute function "
           "pgtide.capture_1()",
           "do $$ begin lock table pgtide.log0 in access exclusive mode; end $$",
           "create rule r as on insert to pgtide.log0 do nothing",
           "create table refers (n int references pgtide.meta)",
           "prepare d as delete from pgtide.collection",
           "explain delete from pgtide.collection",
           "create policy p on pgtide.log0", "alter table pgtide.log0 add n int",
           "drop table pgtide.log0", "truncate pgtide.log0", "cluster pgtide.log0",
           "create index on pgtide.log0 (id)", "reindex table pgtide.log0",
           "vacuum full pgtide.log0", "comment on table pgtide.log0 is 'x'",
           "alter function pgtide_api.broadcast_all(json) security invoker",
           "create function pgtide_api.f() returns int language sql as 'select 1'"}) {
    const Outcome outcome = session.attempt(statement);
    CHECK_MESSAGE(outcome.sqlstate == "42501", statement << ": " << outcome.sqlstate);
  }
  CHECK(database.value("select count(*) from pg_locks where not granted") == "0");
  CHECK(session.attempt("select pgtide_api.broadcast('news', '1')").ok());
  CHECK(session.attempt("select pgtide_api.broadcast_all('1')").ok());
  CHECK(count_of_log(database) == "2");
}

TEST_CASE("api: install moves what an older one had, and who might call it calls it still") {
  const Role app, group, looker;
  const Role member("in role " + group.name());
  InstalledDatabase database;
  move_back(database);
  for (const Role* role : {&app, &member, &looker})
    database.run("grant usage on schema pgtide to " + role->name());
  database.run("grant execute on function pgtide.broadcast(text, json), "
               "pgtide.broadcast_all(json) to " + app.name() + ", " + group.name());
  std::string warnings;
  CHECK(install_error(database, &warnings) == "");
  for (const Role* role : {&app, &member}) {
    CHECK_MESSAGE(warnings.find("role " + role->name() + " had rights on schema pgtide, with which "
                                "it could keep writers waiting; they were taken away\nHINT:  For "
                                "custom events it calls pgtide_api.broadcast") !=
                      std::string::npos,
                  warnings);
    Session session = database.session(role->name());
    CHECK(session.attempt("select pgtide_api.broadcast('news', '1')").ok());
    CHECK(session.attempt("select pgtide_api.broadcast_all('1')").ok());
    CHECK(session.attempt("select from pgtide.log0").message ==
          "permission denied for schema pgtide");
  }
  CHECK_MESSAGE(warnings.find("GRANT USAGE ON SCHEMA pgtide_api TO " + looker.name()) !=
                    std::string::npos,
                warnings);
  CHECK(database.session(looker.name()).attempt("select pgtide_api.broadcast_all('1')").sqlstate ==
        "42501");
  CHECK(faults_in(database) == "");
  CHECK(database.value("select to_regprocedure('pgtide.broadcast_all(json)') is null") == "t");
  warnings.clear();
  CHECK(install_error(database, &warnings) == "");
  CHECK(warnings == "");
  for (const Role* role : {&app, &group, &member})
    database.run("drop owned by " + role->name());
}

TEST_CASE("api: install refuses a schema pgtide_api that somebody else made, or one in use") {
  const Role maker;
  Database database;
  database.run("create schema pgtide_api authorization " + maker.name());
  const std::string refused = install_error(database);
  CHECK_MESSAGE(refused.find("schema pgtide_api belongs to role " + maker.name() +
                             ", not to postgres") == 0, refused);
  CHECK(refused.find("ALTER SCHEMA pgtide_api RENAME TO") != std::string::npos);
  CHECK_FALSE(install(database.url(), {.owner = "postgres"}).ok());
  database.run("drop schema pgtide_api; create schema pgtide_api; "
               "create table pgtide_api.notes (n int)");
  const std::string in_use = install_error(database);
  CHECK_MESSAGE(in_use.find("there is a schema pgtide_api that pgtide has not made") == 0, in_use);
  CHECK(in_use.find("pgtide install --owner postgres") != std::string::npos);
  CHECK(install(database.url(), {.owner = "postgres"}).ok());
  CHECK(install_error(database) == "");
}

TEST_CASE("api: a schema pgtide_api that is gone, or another's, is a fault and not called") {
  const Role maker;
  InstalledDatabase database;
  CHECK(faults_in(database) == "");
  database.run("drop schema pgtide_api cascade");
  CHECK(faults_in(database).find("schema pgtide_api is gone: pgtide install\n") !=
        std::string::npos);
  CHECK(install_error(database) == "");
  CHECK(faults_in(database) == "");
  database.run("drop schema pgtide_api cascade; grant create on database " + database.name() +
               " to " + maker.name());
  database.session(maker.name()).run(
      "create schema pgtide_api; grant usage on schema pgtide_api to public; "
      "create sequence pgtide_api.called; grant all on sequence pgtide_api.called to public; "
      "create function pgtide_api.broadcast_all(json) returns void language sql as "
      "'select nextval(''pgtide_api.called'')'");
  const std::string says = "schema pgtide_api belongs to role " + maker.name() + ", not to ";
  CHECK_MESSAGE(faults_in(database).find(says) != std::string::npos, faults_in(database));
  const Role app;
  for (const std::string& who : {std::string("postgres"), app.name()}) {
    Broadcaster broadcaster(database.url(who));
    const auto sent = broadcaster.broadcast_all("1");
    REQUIRE_FALSE(sent.ok());
    CHECK_MESSAGE(sent.error().message.find("belongs to role " + maker.name()) !=
                      std::string::npos,
                  sent.error().message);
  }
  CHECK(database.value("select is_called from pgtide_api.called") == "f");
  CHECK(install_error(database).find(says) == 0);
}

TEST_CASE("api: a function put into pgtide_api stays a fault until it is gone") {
  InstalledDatabase database;
  database.run("create function pgtide_api.more() returns int language sql as 'select 1'; "
               "revoke all on function pgtide_api.more() from public; "
               "create view pgtide_api.mine as select 1");
  const std::string says =
      "function pgtide_api.more() is not one of pgtide's: DROP FUNCTION pgtide_api.more();\n"
      "view pgtide_api.mine is not one of pgtide's: DROP VIEW pgtide_api.mine;\n";
  CHECK(faults_in(database) == says);
  CHECK(install_error(database) == "");
  CHECK(faults_in(database) == says);
  database.run("drop function pgtide_api.more(); drop view pgtide_api.mine");
  CHECK(faults_in(database) == "");
}

TEST_CASE("api: who owns a partition that was detached, and may broadcast, forges no row") {
  const Role app;
  InstalledDatabase database;
  database.run("create table parts (id int primary key) partition by range (id); create table low "
               "partition of parts for values from (0) to (100)");
  REQUIRE(watch(database.url(), {.table = "parts"}).ok());
  let_broadcast(database, app);
  database.run("alter table parts detach partition low; alter table low owner to " + app.name());
  Session session = database.session(app.name());
  for (const char* call : {"capture_1", "truncate_1"})
    CHECK(session
              .attempt(std::string("create trigger t after insert on low for each row execute "
                                   "function pgtide.") + call + "()")
              .sqlstate == "42501");
  session.run("insert into low values (1); delete from low");
  session.run("truncate low");
  CHECK(count_of_log(database) == "0");
}

// Its code would run as it is planned, too: a function in SQL is put in the call's place then.
TEST_CASE("api: over a connection from before uninstall nobody calls a schema made since then") {
  const Role maker;
  InstalledDatabase database;
  database.run("grant create on database " + database.name() + " to " + maker.name());
  Broadcaster broadcaster(database.url());
  REQUIRE(broadcaster.broadcast_all("1").ok());
  std::atomic<std::uint64_t> queries = 0;
  DatabaseSession bridge(make_connection_string(database.url()), queries);
  require_installed(bridge);
  bridge.prepare("horizon", "select horizon from pgtide.meta");
  bridge.run_prepared("horizon");
  REQUIRE(uninstall(database.url()).ok());
  Session other = database.session(maker.name());
  other.run("create schema traps; grant usage on schema traps to public; "
            "create sequence traps.called; grant all on sequence traps.called to public; "
            "create function traps.note() returns bigint language plpgsql immutable as "
            "'begin return nextval(''traps.called''); end'");
  for (const char* schema : {"pgtide", "pgtide_api"}) {
    const std::string name = schema;
    other.run("create schema " + name + "; grant usage on schema " + name + " to public; "
              "create view " + name + ".meta as select traps.note() as horizon; "
              "grant select on " + name + ".meta to public; "
              "create function " + name + ".broadcast_all(json) returns bigint language sql as "
              "'select traps.note()'");
  }
  const auto sent = broadcaster.broadcast_all("1");
  CHECK_FALSE(sent.ok());
  const std::string says = sent.ok() ? "" : sent.error().message;
  CHECK_MESSAGE(says.find("belongs to role " + maker.name()) != std::string::npos, says);
  CHECK_THROWS_AS(bridge.run_prepared("horizon"), CaptureFault);
  CHECK_THROWS_AS(bridge.run_prepared("horizon"), CaptureFault);
  CHECK_THROWS_AS(bridge.run("select pgtide.broadcast_all('1')"), CaptureFault);
  CHECK(database.value("select is_called from traps.called") == "f");
}

TEST_CASE("api: after uninstall and install, custom events are committed again") {
  InstalledDatabase database;
  Broadcaster broadcaster(database.url());
  REQUIRE(broadcaster.broadcast("news", R"({"it's": "a \\\"word\\\""})").ok());
  CHECK(database.value("select new_row->>'it''s' from pgtide.log") == "a \\\"word\\\"");
  REQUIRE(uninstall(database.url()).ok());
  const auto sent = broadcaster.broadcast_all("1");
  REQUIRE_FALSE(sent.ok());
  CHECK(sent.error().message.find("has no pgtide schema; run: pgtide install") !=
        std::string::npos);
  install_in(database);
  CHECK(broadcaster.broadcast_all("1").ok());
  CHECK(count_of_log(database) == "1");
}
