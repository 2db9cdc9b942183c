// What a role with any right on an object can hold: its row of the catalog. GRANT of a right that
// it may not give only warns, and has written the row anew; so it stays till the transaction ends.
#include <doctest/doctest.h>

#include "support/eventually.hpp"
#include "support/installed_database.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

bool tells(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct Market {
  Market() {
    database.run("alter database " + database.name() + " set pgtide.lock_patience = '2s'");
    database.run("create table pay (id int primary key); "
                 "create table parts (id int primary key) partition by range (id); "
                 "create table part partition of parts for values from (0) to (1000); "
                 "grant usage on schema pgtide_api to " + app.name() + "; "
                 "grant execute on function pgtide_api.broadcast(text, json) to " + app.name() +
                 "; grant select on pay, part to " + app.name());
  }
  void hold(const std::string& right) {
    holder.run("begin; grant " + right + " to " + app.name());
  }
  // Ends soon, or fails: nothing here may wait without limit.
  Session asking(const std::string& limit = "10s") const {
    Session session = database.session();
    session.run("set statement_timeout = '" + limit + "'");
    return session;
  }
  std::string pid() const { return std::to_string(holder.pid()); }

  Role app;
  InstalledDatabase database;
  Session holder{database.session(app.name())};
};

// A writer waits a tenth of a second at a time, and not for as long as the watch may.
void write_meanwhile(const Market& market, Session& watcher, const std::string& name) {
  Session writer = market.asking("900ms");
  for (int n = 0; watcher.busy() && n < 900; ++n) {
    const Outcome written =
        writer.attempt("insert into " + name + " values (" + std::to_string(n) + ")");
    CHECK(written.message == "");
    if (!written.ok()) return;
  }
}

}  // namespace

TEST_CASE("held rows: an application that holds that of pgtide_api keeps no watch and no look") {
  Market market;
  market.hold("usage on schema pgtide_api");
  CHECK(market.asking().attempt("select pgtide.watch('pay')").message == "");
  CHECK(market.asking().attempt("select pgtide.watch('parts')").message == "");
  market.database.run("alter table pay add column body text");
  CHECK(market.asking().run("select wrong from pgtide.look()").empty());
  CHECK(market.database.value("select columns from pgtide.collection where name = 'pay'") ==
        "{id,body}");
  CHECK(market.asking().attempt("select pgtide.unwatch('pay')").message == "");
}

TEST_CASE("held rows: who holds that of a table to be watched stops no writer, and is named") {
  struct Case { const char* held; const char* table; };
  for (const Case& one : {Case{"select on pay", "pay"}, Case{"select on part", "parts"}}) {
    const std::string name = one.table;
    CAPTURE(name);
    Market market;
    market.hold(one.held);
    Session watcher = market.asking();
    watcher.begin("select pgtide.watch('" + name + "')");
    write_meanwhile(market, watcher, name);
    REQUIRE(watcher.finish().sqlstate == "55P03");
    const auto refused = watch(market.database.url(), {.table = name});
    REQUIRE_FALSE(refused.ok());
    CHECK_MESSAGE(tells(refused.error().message,
                        "SELECT pg_terminate_backend(" + market.pid() + ")"),
                  refused.error().message);
    market.holder.run("rollback");
    CHECK(watch(market.database.url(), {.table = name}).ok());
  }
}

TEST_CASE("held rows: one that is written anew while watch waits for it does not end the watch") {
  Market market;
  market.database.run("alter database " + market.database.name() +
                      " set pgtide.lock_patience = '20s'");
  market.hold("select on pay");
  Session watcher = market.asking("30s");
  watcher.begin("select pgtide.watch('pay')");
  eventually([&] {
    return market.database.value("select exists (select from pg_locks where not granted and pid "
                                 "= " + std::to_string(watcher.pid()) + ")") == "t";
  });
  market.holder.run("commit");
  CHECK(watcher.finish().message == "");
}

TEST_CASE("held rows: who reads the table of old stops no writer of the one in its place") {
  Market market;
  REQUIRE(watch(market.database.url(), {.table = "pay"}).ok());
  market.database.run("alter table pay rename to paid; create table pay (id int primary key)");
  market.holder.run("begin; select from paid");
  Session watcher = market.asking();
  watcher.begin("select pgtide.watch('pay')");
  write_meanwhile(market, watcher, "pay");
  const std::string refused = watcher.finish().message;
  CHECK_MESSAGE(tells(refused, "paid stayed locked"), refused);
}

TEST_CASE("held rows: install and uninstall that one of them keeps waiting name who holds it") {
  for (const char* held : {"usage on schema pgtide_api",
                           "execute on function pgtide_api.broadcast(text, json)"}) {
    CAPTURE(std::string(held));
    Market market;
    market.hold(held);
    const std::string end = "SELECT pg_terminate_backend(" + market.pid() + ")";
    const auto installed = install(market.database.url(), {});
    if (!installed.ok()) CHECK_MESSAGE(tells(installed.error().message, end),
                                       installed.error().message);
    const auto gone = uninstall(market.database.url());
    REQUIRE_FALSE(gone.ok());
    CHECK_MESSAGE(tells(gone.error().message, end), gone.error().message);
    market.holder.run("rollback");
    CHECK(install(market.database.url(), {}).ok());
  }
}

TEST_CASE("held rows: a prepared transaction that holds one is named, with what ends it") {
  PrivatePostgres server = make_cluster({"max_prepared_transactions=10"});
  Role app("", server);
  InstalledDatabase database("", server);
  database.run("alter database " + database.name() + " set pgtide.lock_patience = '300ms'");
  database.run("create table pay (id int primary key); grant select on pay to " + app.name() +
               "; grant usage on schema pgtide_api to " + app.name() +
               "; grant execute on function pgtide_api.broadcast_all(json) to " + app.name());
  Session holder(server.url(database.name(), app.name()));
  holder.run("begin; grant select on pay to " + app.name());
  holder.run("prepare transaction 'table'");
  const auto refused = watch(database.url(), {.table = "pay"});
  REQUIRE_FALSE(refused.ok());
  CHECK_MESSAGE(tells(refused.error().message, "ROLLBACK PREPARED 'table';"),
                refused.error().message);
  database.run("rollback prepared 'table'");
  holder.run("begin; grant execute on function pgtide_api.broadcast_all(json) to " + app.name());
  holder.run("prepare transaction 'function'");
  for (const auto& ended : {install(database.url(), {}), uninstall(database.url())}) {
    REQUIRE_FALSE(ended.ok());
    CHECK_MESSAGE(tells(ended.error().message, "ROLLBACK PREPARED 'function';"),
                  ended.error().message);
  }
  database.run("rollback prepared 'function'");
  CHECK(watch(database.url(), {.table = "pay"}).ok());
}
