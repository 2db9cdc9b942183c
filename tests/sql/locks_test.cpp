// What a role that may only connect can lock: any relation, in ROW EXCLUSIVE mode, by its number.
#include <doctest/doctest.h>

#include "model/wording.hpp"
#include "support/eventually.hpp"
#include "support/installed_database.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

bool says_first(const std::string& text, const std::string& part) { return text.find(part) == 0; }

// Locks what the query names as a stranger can: the call fails, its lock stays.
void lock_as_stranger(Session& session, Database& database, const std::string& which) {
  session.run("begin");
  for (const Row& row : database.run("select c.oid from pg_class c where " + which)) {
    session.run("savepoint s");
    CHECK_FALSE(session.attempt("select nextval(" + row[0] + "::oid::regclass)").ok());
    session.run("rollback to s");
  }
}

constexpr const char* all_of_ours =
    "(c.relnamespace = 'pgtide'::regnamespace and c.relkind in ('r', 'v', 'i')) or c.oid in "
    "(select reltoastrelid from pg_class where relnamespace = 'pgtide'::regnamespace)";

std::string error_of(const Result<void>& result) {
  return result.ok() ? "" : result.error().message;
}

struct Village {
  Village() {
    database.run("alter database " + database.name() + " set pgtide.lock_patience = '300ms'");
    database.run("create table posts (id int primary key, title text)");
    REQUIRE(watch(database.url(), {.table = "posts"}).ok());
    database.run("insert into posts values (1, 'x')");
  }
  std::string looks() {
    std::string text;
    Session leader = database.session();  // that knows the database's settings
    for (const Row& row : leader.run("select wrong || '; run: ' || mend from pgtide.look()"))
      text += row[0] + '\n';
    return text;
  }
  std::string status() { return *database.value("select pgtide.status() -> 'faults'"); }

  Role stranger;
  InstalledDatabase database;
  Session thief{database.session(stranger.name())};
};

}  // namespace

TEST_CASE("locks: whatever a stranger locks, the lead is taken, and install and watch go on") {
  Village village;
  lock_as_stranger(village.thief, village.database, all_of_ours);
  CHECK(village.database.value("select pgtide.take_lead()") == "t");
  const auto installed = install(village.database.url(), {});
  CHECK_MESSAGE(installed.ok(), error_of(installed));
  village.database.run("create table late (id int primary key)");
  const auto watched = watch(village.database.url(), {.table = "late"});
  CHECK_MESSAGE(watched.ok(), (watched.ok() ? "" : watched.error().message));
  const auto unwatched = unwatch(village.database.url(), "late");
  CHECK_MESSAGE(unwatched.ok(), error_of(unwatched));
}

TEST_CASE("locks: whatever a stranger locks, a look keeps what it saw, and names the stranger") {
  Village village;
  lock_as_stranger(village.thief, village.database, all_of_ours);
  const std::string changes = "select count(*) from pgtide.log where action = 's'";
  village.database.run("alter table posts add column body text");
  const std::string wrong = village.looks();
  CHECK(village.database.value("select columns from pgtide.collection") == "{id,title,body}");
  const std::string pid = std::to_string(village.thief.pid());
  for (const std::string& text : {wrong, village.status()}) {
    CHECK_MESSAGE(says(text, "process " + pid + " of role " + village.stranger.name()), text);
    CHECK(says(text, "SELECT pg_terminate_backend(" + pid + ");"));
  }
  // Nor does it have clients read anew by that.
  const auto before = village.database.value(changes);
  village.thief.run("rollback");
  CHECK(village.looks().empty());
  CHECK(village.status() == "[]");
  lock_as_stranger(village.thief, village.database, all_of_ours);
  CHECK_FALSE(village.looks().empty());
  CHECK(village.database.value(changes) == before);
}

TEST_CASE("locks: a look that cannot keep what it saw for long names the one that has the turn") {
  Village village;
  Session member = village.database.session();
  member.run("begin");
  member.run("select from pgtide.turn where what = 'watch' for update");
  village.database.run("alter table posts add column body text");
  const std::string pid = std::to_string(member.pid());
  std::string wrong;
  eventually([&] {
    wrong = village.looks();
    return says(wrong, "cannot be kept: process " + pid);
  });
  CHECK_MESSAGE(says(wrong, "run: SELECT pg_terminate_backend(" + pid + ");"), wrong);
  CHECK(village.database.value("select columns from pgtide.collection") == "{id,title}");
  member.run("rollback");
  CHECK(village.looks().empty());
  CHECK(village.database.value("select columns from pgtide.collection") == "{id,title,body}");
}

TEST_CASE("locks: a function that cannot be written anew is told to every bridge till it can be") {
  Village village;
  village.database.run("alter function pgtide.regenerate(int) rename to regenerated");
  village.database.run("create function pgtide.regenerate(c int) returns void language plpgsql as "
                       "'begin raise ''not today''; end'; "
                       "alter table posts add column body text");
  const std::string says = "the function of table public.posts cannot be written: not today; run: "
                           "pgtide watch public.posts";
  CHECK(says_first(village.looks(), says));
  const std::string reported = "select reported from pgtide.collection";
  CHECK(village.database.value(reported) == says);
  CHECK(says_first(village.looks(), says));
  CHECK(village.database.value("select columns from pgtide.collection") == "{id,title}");
  CHECK(village.database.value("select count(*) from pgtide.log where action = 's'") == "0");
  village.database.run("drop function pgtide.regenerate(int); "
                       "alter function pgtide.regenerated(int) rename to regenerate");
  CHECK(village.looks().empty());
  CHECK(village.database.value("select reported is null from pgtide.collection") == "t");
  CHECK(village.database.value("select columns from pgtide.collection") == "{id,title,body}");
  CHECK(village.database.value("select count(*) from pgtide.log where action = 's'") == "1");
}

TEST_CASE("locks: who has set pgtide.lock_patience for one transaction has it as usual after it") {
  Village village;
  village.database.run("create table late (id int primary key)");
  village.database.run("alter database " + village.database.name() + " reset pgtide.lock_patience");
  Session fresh(village.database.url());
  fresh.run("begin; set local pgtide.lock_patience = '1s'; commit");
  CHECK(fresh.attempt("select pgtide.watch('late')").message == "");
}

TEST_CASE("locks: a lock on a log that is to be emptied, its index alone too, holds up no reader") {
  Village village;
  Database& database = village.database;
  database.run("select pgtide.switch_log()");
  database.run("select pgtide.seal_log()");
  database.run("insert into pgtide.tick0 values (1, 1, pg_current_snapshot())");
  database.run("select pgtide.set_horizon(1)");
  const std::vector<std::string> whichever{
      "c.oid = 'pgtide.log0'::regclass", "c.oid = 'pgtide.log0_xid'::regclass",
      "c.oid = (select reltoastrelid from pg_class where oid = 'pgtide.log0'::regclass)"};
  for (const std::string& which : whichever) {
    CAPTURE(which);
    lock_as_stranger(village.thief, database, which);
    Session leader = database.session();
    leader.run("set statement_timeout = '20s'");
    CHECK(leader.value("select pgtide.empty_log(0)") == "f");
    const std::string pid = std::to_string(village.thief.pid());
    CHECK_MESSAGE(says(village.looks(), "lock on log0 of schema pgtide; run: SELECT "
                                        "pg_terminate_backend(" + pid + ");"), village.status());
    village.thief.run("rollback");
  }
  CHECK(database.value("select pgtide.empty_log(0)") == "t");
}

TEST_CASE("locks: a writer's own lock on the log is no fault, however long it is held") {
  Village village;
  village.database.run("grant all on posts to " + village.stranger.name());
  village.thief.run("begin; insert into posts values (2, 'y')");
  CHECK(village.looks().empty());
  village.database.run("select pgtide.switch_log()");
  village.database.run("select pgtide.seal_log()");
  CHECK(village.looks().empty());
  CHECK(village.status() == "[]");
}

TEST_CASE("locks: an upgrade that a stranger's lock keeps waiting names it, and readers go on") {
  Village village;
  village.database.run("alter table pgtide.meta drop column cursor_key");
  lock_as_stranger(village.thief, village.database, "c.oid = 'pgtide.meta'::regclass");
  const auto refused = install(village.database.url(), {});
  REQUIRE_FALSE(refused.ok());
  const std::string pid = std::to_string(village.thief.pid());
  CHECK_MESSAGE(says(refused.error().message, "pg_terminate_backend(" + pid + ")"),
                refused.error().message);
  village.database.run("select pg_terminate_backend(" + pid + ")");
  const auto installed = install(village.database.url(), {});
  CHECK_MESSAGE(installed.ok(), error_of(installed));
}

TEST_CASE("locks: uninstall that a stranger's lock keeps waiting ends, and names it") {
  Village village;
  lock_as_stranger(village.thief, village.database, "c.oid = 'pgtide.meta'::regclass");
  const auto refused = uninstall(village.database.url());
  REQUIRE_FALSE(refused.ok());
  CHECK_MESSAGE(says(refused.error().message, "pg_terminate_backend"), refused.error().message);
}

TEST_CASE("locks: uninstall waits for all that strangers have locked by one deadline") {
  Village village;
  lock_as_stranger(village.thief, village.database,
                   "c.relnamespace = 'pgtide'::regnamespace and c.relkind in ('r', 'v') "
                   "and c.relname !~ '^(log|tick)[0-9]$'");
  const auto refused = uninstall(village.database.url());
  REQUIRE_FALSE(refused.ok());
  CHECK_MESSAGE(says(refused.error().message, "in schema pgtide stayed locked for 00:00:00.3"),
                refused.error().message);
  CHECK_MESSAGE(says(refused.error().message, "pg_terminate_backend"), refused.error().message);
  village.thief.run("rollback");
  CHECK(uninstall(village.database.url()).ok());
}

TEST_CASE("locks: a prepared transaction is ended by what is told of it, whatever its name") {
  PrivatePostgres server = make_cluster({"max_prepared_transactions=10"});
  Role stranger("", server);
  InstalledDatabase database("", server);
  for (const char* name : {R"(E'x\'; drop schema pgtide; --\n\x07y')", R"(E'a\\b\'')",
                           R"(E'\u202eevol\u0085')", "'plain'"}) {
    CAPTURE(std::string(name));
    Session thief(server.url(database.name(), stranger.name()));
    lock_as_stranger(thief, database, "c.oid = 'pgtide.tick0'::regclass");
    thief.run("prepare transaction " + std::string(name));
    const std::string mend = *database.value("select mend from pgtide.foreign_locks()");
    CHECK_MESSAGE(one_line(mend) == mend, mend);
    database.run(mend);
    CHECK(database.value("select pgtide.status() -> 'faults'") == "[]");
  }
}

TEST_CASE("locks: a prepared transaction of a stranger that keeps a lock is named with its end") {
  PrivatePostgres server = make_cluster({"max_prepared_transactions=10"});
  Role stranger("", server);
  InstalledDatabase database("", server);
  Session thief(server.url(database.name(), stranger.name()));
  lock_as_stranger(thief, database, "c.oid = 'pgtide.tick0'::regclass");
  thief.run("prepare transaction 'kept'");
  const std::string faults = *database.value("select pgtide.status() -> 'faults'");
  CHECK_MESSAGE(says(faults, "ROLLBACK PREPARED 'kept';"), faults);
  database.run("rollback prepared 'kept'");
  CHECK(database.value("select pgtide.status() -> 'faults'") == "[]");
}

TEST_CASE("locks: a fault of the first table hides no stranger's lock, nor who has the turn") {
  Village village;
  Database& database = village.database;
  lock_as_stranger(village.thief, database, "c.oid = 'pgtide.tick0'::regclass");
  Session member = database.session();
  member.run("begin");
  member.run("select from pgtide.turn where what = 'watch' for update");
  database.run("alter table posts disable trigger \"!pgtide\"");
  std::string wrong;
  eventually([&] {
    wrong = village.looks();
    return says(wrong, "cannot be kept: process " + std::to_string(member.pid()));
  }, std::chrono::seconds{5}, [&] { return wrong; });
  CHECK_MESSAGE(says(wrong, "is not ENABLE ALWAYS"), wrong);
  CHECK_MESSAGE(says(wrong, "process " + std::to_string(village.thief.pid()) + " of role"), wrong);
}

// By xml.c a relation is opened by its number without a look at rights, and its lock kept.
TEST_CASE("locks: who reads a log that is due to be emptied, and so keeps it, is named") {
  Village village;
  Database& database = village.database;
  const std::string log = *database.value("select 'pgtide.log0'::regclass::oid");
  village.thief.run("begin");
  if (!village.thief.attempt("select table_to_xmlschema(" + log + ", true, true, '')").ok())
    return;  // built without libxml
  eventually([&] {
    return database.value("select clock_timestamp() - xact_start > interval '300 ms' from "
                          "pg_stat_activity where pid = " + std::to_string(village.thief.pid())) ==
           "t";
  });
  // Nothing is to be emptied yet.
  CHECK(village.looks() == "");
  database.run("select pgtide.switch_log()");
  database.run("select pgtide.seal_log()");
  database.run("insert into pgtide.tick0 values (1, 1, pg_current_snapshot())");
  CHECK(village.looks() == "");
  database.run("select pgtide.set_horizon(1)");
  CHECK(database.value("select pgtide.empty_log(0)") == "f");
  const std::string pid = std::to_string(village.thief.pid());
  Session operator_now = database.session();
  for (const std::string& text :
       {village.looks(), *operator_now.value("select pgtide.status() -> 'faults'")})
    CHECK_MESSAGE(says(text, "process " + pid + " of role " + village.stranger.name() +
                                 " holds a lock on log0 of schema pgtide"), text);
  village.thief.run("rollback");
  CHECK(village.looks() == "");
  // A member that reads is an operator, or its backup: doctor tells of the oldest transaction.
  Session member = database.session();
  member.run("begin");
  member.run("select count(*) from pgtide.log0");
  CHECK(village.looks() == "");
  member.run("rollback");
  CHECK(database.value("select pgtide.empty_log(0)") == "t");
}
