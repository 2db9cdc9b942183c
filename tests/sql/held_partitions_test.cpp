// A tenth of a second is what writers may wait for a watch or an unwatch, in sum: a stranger that
// holds something of every partition, and lets go of one after the other, draws it out no longer.
#include <doctest/doctest.h>

#include "support/eventually.hpp"
#include "support/installed_database.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

constexpr int partitions = 20;

struct Arcade {
  Arcade() {
    database.run("alter database " + database.name() + " set pgtide.lock_patience = '20s'");
    database.run("create table hall (id int primary key) partition by range (id)");
    for (int n = 1; n <= partitions; ++n) {
      const std::string stall = "stall" + std::to_string(n);
      database.run("create table " + stall + " partition of hall for values from (" +
                   std::to_string(1000 * (n - 1)) + ") to (" + std::to_string(1000 * n) +
                   "); grant select, insert on " + stall + " to " + stranger.name());
    }
  }

  // `held` is what the stranger runs for each partition, the last one first, each in a
  // subtransaction of its own. Once somebody waits it ends one of them after the other, the first
  // partition's first, each within the tenth of a second that one wait may last.
  void hold(const std::string& held) {
    thief.run("set client_min_messages = error");
    thief.run(R"(create function pg_temp.hold(k int) returns void language plpgsql as $$
      begin
        execute format(')" + held + R"(', k);
        if k > 1 then
          perform pg_temp.hold(k - 1);
        else
          perform set_config('application_name', 'holds', false);
          for i in 1..4000 loop
            exit when exists (select from pg_locks
                               where not granted and locktype in ('relation', 'transactionid'));
            perform pg_sleep(0.005);
          end loop;
        end if;
        perform pg_sleep(0.08);
        raise exception 'let go' using errcode = 'P0999';
      exception when sqlstate 'P0999' then null;
      end $$)");
    thief.begin("select pg_temp.hold(" + std::to_string(partitions) + ")");
    eventually([&] {
      return database.value("select count(*) from pg_stat_activity where application_name = "
                            "'holds' and pid = " + std::to_string(thief.pid())) == "1";
    });
  }

  // What fails of the writers meanwhile.
  std::string write_until(Session& done) {
    Session writer = database.session();
    writer.run("set statement_timeout = '900ms'");
    for (int n = 0; done.busy(); ++n) {
      const Outcome written = writer.attempt("insert into hall values (" +
                                             std::to_string(n % (1000 * partitions)) +
                                             ") on conflict do nothing");
      if (!written.ok()) return written.message;
    }
    return "";
  }

  Role stranger;
  InstalledDatabase database;
  Session thief{database.session(stranger.name())};
};

}  // namespace

TEST_CASE("held partitions: who holds the rows of all and lets go of each stops no writer") {
  Arcade arcade;
  arcade.hold("grant select on stall%s to " + arcade.stranger.name());
  Session watcher = arcade.database.session();
  watcher.begin("select pgtide.watch('hall')");
  CHECK(arcade.write_until(watcher) == "");
  CHECK(watcher.finish().message == "");
}

TEST_CASE("held partitions: who holds locks on all and lets go of each stops no writer of a watch "
          "or an unwatch") {
  Arcade arcade;
  for (const char* statement : {"select pgtide.watch('hall')", "select pgtide.unwatch('hall')"}) {
    CAPTURE(std::string(statement));
    arcade.hold("lock table stall%s in row exclusive mode");
    Session watcher = arcade.database.session();
    watcher.begin(statement);
    CHECK(arcade.write_until(watcher) == "");
    CHECK(watcher.finish().message == "");
    arcade.thief.finish();
    arcade.thief.run("drop function pg_temp.hold(int)");
  }
}

TEST_CASE("held partitions: who locks each index of the log and lets go of each stops no writer of "
          "a log that begins anew") {
  Arcade arcade;
  REQUIRE(watch(arcade.database.url(), {.table = "hall"}).ok());
  std::vector<Session> thieves;
  const auto indexes = arcade.database.run(
      "with t as (select oid, reltoastrelid from pg_class "
      "where relnamespace = 'pgtide'::regnamespace and relname ~ '^(log|tick)[0-2]$'), "
      "u as (select oid from t union all select reltoastrelid from t where reltoastrelid <> 0) "
      "select c.oid from pg_class c where c.oid in (select reltoastrelid from t) or c.oid in "
      "(select indexrelid from pg_index i join u on u.oid = i.indrelid)");
  REQUIRE(indexes.size() >= 12);
  for (const Row& index : indexes) {
    thieves.push_back(arcade.database.session(arcade.stranger.name()));
    thieves.back().begin("do $$ begin begin perform nextval(" + index[0] + "::oid::regclass); "
                         "exception when others then null; end; "
                         "perform set_config('application_name', 'holds', false); "
                         "for i in 1..4000 loop exit when exists (select from pg_locks where "
                         "not granted and relation = " + index[0] + "); perform pg_sleep(0.005); "
                         "end loop; perform pg_sleep(0.08); end $$");
  }
  eventually([&] {
    return arcade.database.value("select count(*) from pg_stat_activity where application_name = "
                                 "'holds'") == std::to_string(indexes.size());
  });
  Session leader = arcade.database.session();
  leader.begin("select pgtide.begin_anew()");
  CHECK(arcade.write_until(leader) == "");
  CHECK(leader.finish().message == "");
}

TEST_CASE("held partitions: a stranger's trigger of our name on one of them ends no watch") {
  Arcade arcade;
  arcade.database.run("grant trigger on stall3 to " + arcade.stranger.name());
  arcade.thief.run("create function pg_temp.f() returns trigger language plpgsql as "
                   "'begin return null; end'; create trigger \"!pgtide\" after insert on stall3 "
                   "for each row execute function pg_temp.f()");
  const auto watched = watch(arcade.database.url(), {.table = "hall"});
  CHECK_MESSAGE(watched.ok(), (watched.ok() ? "" : watched.error().message));
  arcade.database.run("insert into hall values (2500)");
  CHECK(arcade.database.value("select count(*) from pgtide.log") == "1");
  CHECK(arcade.database.run("select wrong from pgtide.look()").empty());
}
