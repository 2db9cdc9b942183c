#include <doctest/doctest.h>

#include "support/serving.hpp"

// A role that may only connect, and a bridge at work: what the role can lock are relations, by
// their numbers.
using namespace pgtide::test;

namespace {

void lock_relations(Session& session, Database& database) {
  session.run("begin");
  for (const Row& row : database.run(
           "select oid from pg_class where relnamespace = 'pgtide'::regnamespace and "
           "relkind in ('r', 'v', 'i')")) {
    session.run("savepoint s");
    CHECK_FALSE(session.attempt("select nextval(" + row[0] + "::oid::regclass)").ok());
    session.run("rollback to s");
  }
}

}  // namespace

TEST_CASE("locks: a bridge that starts while a stranger locks all our tables leads, and says so") {
  Role stranger;
  Stage stage;
  Session thief = stage.database.session(stranger.name());
  lock_relations(thief, stage.database);
  for (int round = 1; round <= 2; ++round) {
    Serving bridge(stage, "one");
    eventually([&] { return bridge.leads(); }, patience);
    WireClient client(bridge.address(), "/realtime/subscribe");
    client.send(R"({"type":"subscribe","pattern":"posts.*"})");
    while (!holds(client.next(), "subscribed")) {
    }
    stage.database.run("insert into posts values (" + std::to_string(round) + ", 'x')");
    while (!holds(client.next(), "\"id\":" + std::to_string(round))) {
    }
    const std::string mend = "pg_terminate_backend(" + std::to_string(thief.pid()) + ")";
    eventually([&] { return holds(http(bridge.address(), "GET /readyz").body, mend); }, patience,
               [&] { return http(bridge.address(), "GET /readyz").body; });
    bridge.kill();
  }
}

TEST_CASE("locks: where a member keeps bridges from the lead, /readyz says no and names it") {
  Stage stage;
  Session member = stage.database.session();
  std::optional<Serving> leader(std::in_place, stage, "one");
  eventually([&] { return leader->leads(); }, patience);
  const Serving follower(stage, "two");
  member.run("begin");
  member.run("select from pgtide.turn where what = 'lead' for update");
  leader->kill();
  const std::string mend = "pg_terminate_backend(" + std::to_string(member.pid()) + ")";
  eventually([&] {
    const HttpReply reply = http(follower.address(), "GET /readyz");
    return reply.status == 503 && holds(reply.body, mend);
  }, patience, [&] { return http(follower.address(), "GET /readyz").body; });
  member.run("rollback");
  eventually([&] {
    return follower.leads() && http(follower.address(), "GET /readyz").status == 200;
  }, patience);
}
