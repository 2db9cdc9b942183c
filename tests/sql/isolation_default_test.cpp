// What ALTER DATABASE has set for applications ends no command of ours half way.
#include <doctest/doctest.h>

#include <future>

#include "support/eventually.hpp"
#include "support/installed_database.hpp"

using namespace pgtide;
using namespace pgtide::test;

TEST_CASE("settings: a default isolation of the database fails no watch that waits for another") {
  InstalledDatabase database;
  database.run("create table posts (id int primary key)");
  REQUIRE(watch(database.url(), {.table = "posts"}).ok());
  Session first = database.session();
  first.run("begin; select pgtide.watch('posts', key => '{id}')");
  database.run("alter database " + database.name() +
               " set default_transaction_isolation = 'repeatable read'");
  auto second = std::async(std::launch::async, [url = database.url()] {
    const auto watched = watch(url, {.table = "posts"});
    return watched.ok() ? std::string() : watched.error().message;
  });
  eventually([&] {
    return database.value("select exists (select from pg_locks where not granted and pid in "
                          "(select pid from pg_stat_activity where datname = "
                          "current_database()))") == "t";
  });
  first.run("commit");
  CHECK(second.get() == "");
}
