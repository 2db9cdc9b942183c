#include <doctest/doctest.h>

#include <thread>

#include "capture/broadcaster.hpp"
#include "integration/capture_scene.hpp"

// pg_terminate_backend on each of our sessions, whatever it does at that moment. To have it there,
// a lock makes it wait in the very statement.
using namespace pgtide;
using namespace pgtide::test;
using namespace std::chrono_literals;

namespace {

// One that leads and one that follows it.
struct Pair {
  Pair() : leader(options_for(posts)), follower(after(leader, posts)) {
    eventually([&] { return follower.source->status().connected; });
    insert("1");
    wait_for({"1"});
  }
  static SourceOptions options_for(const Posts& posts) {
    SourceOptions options = Running::options_for(posts.database);
    options.retention = std::chrono::hours{1};
    return options;
  }
  static SourceOptions after(Running& first, const Posts& posts) {
    first.wait_until_leading();
    return options_for(posts);
  }
  void insert(const std::string& ids) {
    posts.database.run("insert into posts select unnest('{" + ids + "}'::int[]), repeat('x', 900)");
  }
  void wait_for(const std::vector<std::string>& ids) {
    for (Running* one : {&leader, &follower}) {
      eventually([&] { return created_in(one->sink) == ids; }, 30s, [&] {
        return std::to_string(created_in(one->sink).size()) + "; " + one->source->status().fault;
      });
    }
  }
  void hold(bool on) {
    leader.sink.hold(on);
    follower.sink.hold(on);
  }

  Posts posts;
  Running leader;
  Running follower;
};

// 2 to 4,000, which is more than is read in one go.
std::string many() {
  std::string ids = "2";
  for (int id = 3; id <= 4000; ++id) ids += "," + std::to_string(id);
  return ids;
}

struct State {
  const char* why;
  const char* locked;  // what a session waits for then
  const char* query;   // of the statement that it waits in: a regular expression
  int waiting;         // so many of our sessions
  void (*bring_about)(Pair&);
};

const State states[] = {
    {"a tick is made, and the follower reads ticks", "pgtide.tick0",
     "execute .tick|from pgtide.tick0", 2, [](Pair&) {}},
    {"the catalog is loaded", "pgtide.collection", "from pgtide.collection", 2,
     [](Pair& pair) {
       pair.leader.source->refresh_catalog(1ms);
       pair.follower.source->refresh_catalog(1ms);
     }},
    {"the leader looks after the log", "pgtide.rotation", "pgtide.rotation", 1,
     [](Pair& pair) { end_sessions(pair.posts.database.url()); }},
    {"both have just connected", "pgtide.meta", "schema_version", 2,
     [](Pair& pair) { end_sessions(pair.posts.database.url()); }},
    {"pages of a large transaction are read", "pgtide.log0", "execute .window.", 2,
     [](Pair& pair) { pair.hold(false); }},
};

}  // namespace

TEST_CASE("sessions: ended while it lies idle, a session is made anew and nothing is lost") {
  Pair pair;
  for (const char* whose : {"in", "not in"}) {  // the leader's, the follower's
    eventually([&] {
      const SourceStatus one = pair.leader.source->status(), other = pair.follower.source->status();
      return one.connected && other.connected && one.leader != other.leader;
    });
    const auto before = pair.leader.source->status().reconnects +
                        pair.follower.source->status().reconnects;
    end_sessions(pair.posts.database.url(),
                 std::string("pid ") + whose +
                     " (select pid from pgtide.bridge where leads)");
    eventually([&] {
      return pair.leader.source->status().reconnects + pair.follower.source->status().reconnects >
             before;
    });
  }
  pair.insert("2");
  pair.wait_for({"1", "2"});
  for (const Running* one : {&pair.leader, &pair.follower}) CHECK(one->sink.broken().empty());
}

TEST_CASE("sessions: ended in any statement, each is made anew, and every change comes once") {
  for (const State& state : states) {
    const std::string why = state.why;
    CAPTURE(why);
    Pair pair;
    const bool pages = std::string(state.locked) == "pgtide.log0";
    if (pages) {
      pair.hold(true);
      pair.insert(many());
      eventually([&] { return pair.leader.sink.count() > 1 && pair.follower.sink.count() > 1; });
    }
    Session lock = pair.posts.database.session();
    lock.run(std::string("begin; lock table ") + state.locked + " in access exclusive mode");
    state.bring_about(pair);
    const std::string waits = "wait_event_type = 'Lock' and query ~ '" +
                              std::string(state.query) + "'";
    Session observer(cluster().url());
    const std::string ours = " from pg_stat_activity where application_name = 'pgtide' and "
                             "datname = '" + pair.posts.database.name() + "'";
    eventually(
        [&] {
          return observer.value("select count(*)" + ours + " and " + waits) ==
                 std::to_string(state.waiting);
        },
        20s, [&] {
          return observer.value("select string_agg(concat(wait_event_type, ' ', query), '; ')" +
                                ours).value_or("no session of ours");
        });
    observer.run("select pg_terminate_backend(pid)" + ours + " and " + waits);
    lock.run("rollback");
    if (!pages) pair.insert("2");
    pair.posts.database.run("insert into posts values (0, 'last')");
    std::vector<std::string> expected{"1", "2"};
    for (int id = 3; pages && id <= 4000; ++id) expected.push_back(std::to_string(id));
    expected.push_back("0");
    pair.wait_for(expected);
    for (const Running* one : {&pair.leader, &pair.follower}) {
      CHECK(one->sink.broken() == std::vector<std::string>{});
      CHECK(one->sink.begins().size() == 1);
      CHECK(one->source->status().reconnects > 0);
    }
  }
}

TEST_CASE("sessions: a broadcast whose session is ended is unavailable, and the next one is sent") {
  Posts posts;
  Broadcaster broadcaster(posts.database.url());
  REQUIRE(broadcaster.broadcast("news", "1").ok());
  Session lock = posts.database.session();
  lock.run("begin; lock table pgtide.log0 in access exclusive mode");
  std::thread asking([&] {
    const Result<void> sent = broadcaster.broadcast("news", "2");
    CHECK(!sent.ok());
    if (!sent.ok()) CHECK(sent.error().kind == ErrorKind::unavailable);
  });
  Session observer(cluster().url());
  const std::string waiting = " from pg_stat_activity where datname = '" + posts.database.name() +
                              "' and wait_event_type = 'Lock'";
  eventually([&] { return observer.value("select count(*)" + waiting) == "1"; });
  observer.run("select pg_terminate_backend(pid)" + waiting);
  asking.join();
  lock.run("rollback");
  REQUIRE(broadcaster.broadcast("news", "3").ok());
  CHECK(posts.database.run("select new_row #>> '{}' from pgtide.log order by id") ==
        std::vector<Row>{{"1"}, {"3"}});
}
