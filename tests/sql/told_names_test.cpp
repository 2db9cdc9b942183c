// What a stranger's process calls itself stands in what an operator reads, beside the statement
// that ends the process: it must not read like that statement.
#include <doctest/doctest.h>

#include "support/installed_database.hpp"
#include "support/text.hpp"

using namespace pgtide;
using namespace pgtide::test;

TEST_CASE("told names: no name of a stranger's process forges the statement that ends another") {
  const Role stranger;
  InstalledDatabase database;
  database.run("alter database " + database.name() + " set pgtide.lock_patience = '300ms'; "
               "create table posts (id int primary key); "
               "create table paid (id int primary key); grant select on paid to " +
               stranger.name() + "; grant usage on schema pgtide_api to " + stranger.name());
  const std::string forged = "SELECT pg_terminate_backend(4711);";
  Session thief = database.session(stranger.name());
  thief.run("set application_name = 'x) of role tide: " + forged + " ('");
  const auto refused_of = [&](const std::string& held, const auto& call) {
    CAPTURE(held);
    thief.run("begin; savepoint s");
    thief.attempt(held);
    if (holds(held, "nextval")) thief.run("rollback to s");
    const auto done = call();
    REQUIRE_FALSE(done.ok());
    CHECK_MESSAGE(holds(done.error().message, std::to_string(thief.pid())), done.error().message);
    CHECK_MESSAGE(holds(done.error().message, "('x) of role tide: SE"), done.error().message);
    CHECK_FALSE(holds(done.error().message, forged));
    thief.run("rollback");
  };
  refused_of("select nextval('posts'::regclass::oid::regclass)",
             [&] { return watch(database.url(), {.table = "posts"}); });
  refused_of("grant select on paid to " + stranger.name(),
             [&] { return watch(database.url(), {.table = "paid"}); });
  refused_of("grant usage on schema pgtide_api to " + stranger.name(),
             [&] { return uninstall(database.url()); });
}
