// The log's tables are emptied in turn, whatever writers do meanwhile: those that began after the
// last switch lock no table but the current one.
#include <doctest/doctest.h>

#include "support/installed_database.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

constexpr const char* largest = "9223372036854775807";
constexpr const char* switched_sql = "select pg_sequence_last_value('pgtide.switched')";

// A database with a table, a table in parts, and triggers that change what was changed.
struct Logged {
  Logged() : session(database.session()) {
    session.run(
        "create table t (id int primary key, v int not null default 0);"
        "create table p (id int primary key) partition by range (id);"
        "create table p1 partition of p for values from (0) to (100);"
        "create table n (id int primary key, v int not null default 0);"
        "create function again() returns trigger language plpgsql as $$ begin"
        " if pg_trigger_depth() = 1 and tg_op = 'DELETE' then insert into n values (old.id, 1);"
        " elsif pg_trigger_depth() = 1 then update n set v = v + 1 where id = new.id; end if;"
        " return null; end $$;"
        "create trigger \" early\" after insert or update or delete on n for each row execute "
        "function again();"
        "select pgtide.watch('t'), pgtide.watch('p'), pgtide.watch('n');");
    session.run("insert into t select generate_series(1, 9); insert into p values (1);"
                "insert into n values (1)");
  }
  std::string current() {
    return *session.value("select pg_sequence_last_value('pgtide.current')");
  }
  // Leaves the current log table, which holds something, and has a tick cover it; its number.
  std::string leave() {
    const std::string left = current();
    session.run("insert into t values (1000 + " + std::to_string(++ticks) + ")");
    session.run("select pgtide.switch_log()");
    session.run("select pgtide.seal_log()");
    const std::string tick = std::to_string(ticks);
    session.run("insert into pgtide.tick0 (n, nonce, snapshot) values (" + tick +
                ", 7, pg_current_snapshot())");
    session.run("select pgtide.set_horizon(" + tick + ")");
    return left;
  }
  bool empties(const std::string& log) {
    return session.value("select pgtide.empty_log(" + log + ")") == "t";
  }

  InstalledDatabase database;
  Session session;
  int ticks = 0;
};

}  // namespace

TEST_CASE("rotation: a table is emptied beside open transactions that have changed anything") {
  const char* const deeds[] = {
      "delete from t where id = 1",
      "select from t where id = 2 for update; update t set v = 1 where id = 2",
      "insert into t values (50); delete from t where id = 50; insert into t values (50)",
      "update t set id = 60 where id = 3",
      "insert into t values (4) on conflict (id) do update set v = t.v + 1",
      "savepoint s; delete from t where id = 4; rollback to s; delete from t where id = 5",
      "insert into n values (2); update n set v = 5; delete from n",
      "truncate t",
      "truncate p1",
      "delete from p",
  };
  Logged log;
  Session writer = log.database.session();
  for (const char* const isolation : {"read committed", "repeatable read", "serializable"}) {
    CAPTURE(isolation);
    for (const char* const deed : deeds) {
      CAPTURE(deed);
      const std::string left = log.leave();
      writer.run(std::string("begin isolation level ") + isolation);
      writer.run(deed);
      CHECK(log.empties(left));
      writer.run("rollback");
      if (!log.empties(left)) log.session.run("truncate pgtide.log" + left);
    }
  }
}

TEST_CASE("rotation: a writer from before the switch has its order, over two tables") {
  Logged log;
  Session writer = log.database.session();
  writer.run("begin; insert into n values (7)");
  log.session.run("select pgtide.switch_log()");
  for (const bool sealed : {false, true}) {
    CAPTURE(sealed);
    if (sealed) log.session.run("select pgtide.seal_log()");
    writer.run("savepoint s; delete from n where id = 7");
    CHECK(writer.run("select action, new_row is not null from pgtide.own_log where record = '7' "
                     "order by id desc limit 1") == std::vector<Row>{{"c", "t"}});
    writer.run("rollback to s");
  }
}

TEST_CASE("rotation: writers look into all tables from the switch until an xid from after it") {
  Logged log;
  log.session.run("select pgtide.seal_log()");
  CHECK(log.session.value(switched_sql) != largest);
  Session leader = log.database.session();
  leader.run("begin");
  leader.run("select pgtide.switch_log()");
  CHECK(log.session.value(switched_sql) == largest);
  // Another transaction's seal would be older than the switch that has not ended.
  CHECK(log.session.value("select pgtide.seal_log()") == std::nullopt);
  CHECK(log.session.value(switched_sql) == largest);
  leader.run("commit");
  CHECK(log.session.run("select pg_current_xact_id() is not null, pgtide.seal_log() is null") ==
        std::vector<Row>{{"t", "t"}});
  CHECK(log.session.value(switched_sql) == largest);
  const auto seal = log.session.value("select pgtide.seal_log()");
  REQUIRE(seal.has_value());
  CHECK(log.session.value(switched_sql) == seal);
}

TEST_CASE("rotation: an upgrade and a log begun anew leave writers looking until the next seal") {
  {
    Database fresh;
    install_in(fresh);
    CHECK(fresh.value(switched_sql) != largest);
  }
  Logged log;
  log.session.run("drop sequence pgtide.switched");
  install_in(log.database);
  CHECK(log.session.value(switched_sql) == largest);
  log.session.run("begin; delete from t; insert into n values (8); commit");
  log.session.run("select pgtide.seal_log()");
  CHECK(log.session.value(switched_sql) != largest);
  install_in(log.database);
  CHECK(log.session.value(switched_sql) != largest);
  log.session.run("select pgtide.begin_anew()");
  CHECK(log.session.value(switched_sql) == largest);
}

TEST_CASE("rotation: what keeps a table from being emptied is named, with what ends it") {
  Logged log;
  Session reader = log.database.session();
  Session writer = log.database.session();
  writer.run("set application_name = 'slow'");
  writer.run("begin; insert into t values (20)");
  CHECK(log.session.value("select pgtide.log_held()") == std::nullopt);
  const std::string left = log.leave();
  CHECK(!log.empties(left));
  const auto named = [](Session& session, const std::string& name, const std::string& does) {
    const std::string pid = std::to_string(session.pid());
    return "process " + pid + " ('" + name + "') of role postgres " + does +
           ": SELECT pg_terminate_backend(" + pid + ");";
  };
  CHECK(log.session.value("select pgtide.log_held()") ==
        named(writer, "slow", "has log" + left + " locked") + "; also: " +
            named(writer, "slow", "wrote before the last switch"));
  writer.run("rollback");
  reader.run("begin; select from pgtide.log" + left);
  CHECK(log.session.value("select pgtide.log_held()") ==
        named(reader, "", "has log" + left + " locked"));
  reader.run("rollback");
  CHECK(log.session.value("select pgtide.log_held()") == std::nullopt);
}

TEST_CASE("publications: a table that is published with all others has its nested changes logged") {
  for (const bool before : {false, true}) {
    CAPTURE(before);
    Database database;
    const char* const publish = "create publication everything for all tables";
    if (before) {
      database.run(publish);
      install_in(database, {.force = true});
    } else {
      install_in(database);
      // As one from before was.
      database.run("alter table pgtide.log0 replica identity default");
      install_in(database);
      database.run(publish);
    }
    database.run("create table t (id int primary key, v text); select pgtide.watch('t')");
    Session session = database.session();
    session.run("begin; insert into t values (1, 'a'); delete from t where id = 1; "
                "insert into t values (1, 'b'); update t set id = 2; delete from t; truncate t; "
                "commit");
    CHECK(session.value("select string_agg(action::text, '' order by id) from pgtide.log") ==
          "cdcdcdt");
    for (const char* const call : {"switch_log()", "seal_log()", "look()", "begin_anew()",
                                   "set_horizon(1)", "unwatch('t')"})
      session.run(std::string("select pgtide.") + call);
  }
}

TEST_CASE("serializable: no predicate lock is taken on the log but for what was changed before") {
  struct Case {
    const char* deed;
    bool looks;
  };
  const Case cases[] = {
      {"delete from t where id = 1", false},
      {"delete from t where id in (2, 3, 4)", false},
      {"select from t where id = 5 for update; update t set v = 1 where id = 5", false},
      {"select from t for update; update t set v = v + 1", false},
      {"update t set id = 100 where id = 6", false},
      {"insert into t values (7) on conflict (id) do update set v = t.v + 1", false},
      {"insert into t values (200); delete from t where id = 200", true},
      {"update n set v = 1; delete from n", true},
  };
  Logged log;
  Session writer = log.database.session();
  const std::string locks =
      "select exists (select from pg_locks l join pg_class c on c.oid = l.relation where "
      "l.mode = 'SIReadLock' and c.relnamespace = 'pgtide'::regnamespace and l.pid = " +
      std::to_string(writer.pid()) + ")";
  // A session's first transaction looks: it cannot tell what it may have forgotten.
  writer.run("begin isolation level serializable; delete from t where id = 9; commit");
  for (const Case& c : cases) {
    CAPTURE(c.deed);
    writer.run("begin isolation level serializable");
    writer.run(c.deed);
    CHECK((log.session.value(locks) == "t") == c.looks);
    writer.run("rollback");
  }
}
