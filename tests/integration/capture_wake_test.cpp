#include <pqxx/pqxx>
#include <random>

#include "integration/capture_recorder.hpp"

// Sleeping and waking (CAPTURE, "Wake-up"): no commit may wait for the safety poll, two seconds
// away.

using namespace pgtide;
using namespace pgtide::test;
using namespace std::chrono_literals;

namespace {

struct WakingPosts : Posts {
  WakingPosts() { database.run("create table other (id bigint)"); }
  // Inserts in an open transaction while the leader is awake, so that the writer will not notify.
  void insert_unannounced(Session& writer, Session& noise, long& next) {
    for (;;) {
      noise.run("insert into posts values (" + std::to_string(++next) + ")");
      writer.run("begin");
      writer.run("insert into posts values (" + std::to_string(++next) + ")");
      if (writer.value("select pg_sequence_last_value('pgtide.armed')") == "0") return;
      writer.run("rollback");
      --next;
    }
  }
};

}  // namespace

TEST_CASE("capture: a writer that read `armed` before the leader slept is not overlooked") {
  WakingPosts posts;
  Running running(posts.database);
  running.wait_until_leading();
  Session writer = posts.database.session();
  Session noise = posts.database.session();
  Session bystander = posts.database.session();
  long next = 0;
  const bool long_transaction = [] {
    bool on = false;
    SUBCASE("nobody else is there") {
      on = false;
    }
    SUBCASE("an unrelated transaction stays open") {
      on = true;
    }
    return on;
  }();
  if (long_transaction) bystander.run("begin; insert into other values (1)");
  for (int round = 0; round < 5; ++round) {
    posts.insert_unannounced(writer, noise, next);
    eventually([&] { return is_armed(posts.database); });
    // Past the time from which only holders of the log's lock are waited for.
    const auto queries = running.source->status().queries;
    eventually([&] { return running.source->status().queries > queries + 8; });
    const auto start = std::chrono::steady_clock::now();
    const std::size_t before = running.sink.count();
    writer.run("commit");
    running.wait_for(before + 1);
    CHECK(std::chrono::steady_clock::now() - start < 700ms);
  }
  // Then it sleeps, in spite of the bystander: nothing is sent until the next safety poll.
  eventually(
      [&] {
        const auto queries = running.source->status().queries;
        noise.run("select pg_sleep(0.3)");
        return running.source->status().queries <= queries + 1;
      },
      20s);
}

TEST_CASE("capture: commits at any moment of falling asleep are seen without the safety poll") {
  WakingPosts posts;
  Running running(posts.database);
  running.wait_until_leading();
  Session writer = posts.database.session();
  std::mt19937 random(11);
  long slow = 0;
  const long rounds = figure("WAKES", 150);
  for (long round = 1; round <= rounds; ++round) {
    writer.run("begin; insert into posts values (" + std::to_string(round) + ")");
    writer.run("select pg_sleep(" + std::to_string(random() % 20) + " / 1000.0)");
    const auto start = std::chrono::steady_clock::now();
    writer.run("commit");
    running.wait_for(static_cast<std::size_t>(round));
    if (std::chrono::steady_clock::now() - start > 900ms) ++slow;
    writer.run("select pg_sleep(" + std::to_string(random() % 20) + " / 1000.0)");
  }
  CHECK(slow == 0);
}

TEST_CASE("capture: in poll mode nobody is asked to notify") {
  WakingPosts posts;
  SourceOptions options = Running::options_for(posts.database);
  options.wake_up = Config::WakeUp::poll;
  Running running(options);
  running.wait_until_leading();
  Session listener = posts.database.session();
  listener.run("listen pgtide_wake");
  for (int i = 1; i <= 5; ++i) {
    posts.database.run("insert into posts values (" + std::to_string(i) + ")");
    running.wait_for(static_cast<std::size_t>(i));
    CHECK(!is_armed(posts.database));
  }
}

TEST_CASE("capture: watching a table and naming it in the rules reach the catalog") {
  WakingPosts posts;
  SourceOptions options = Running::options_for(posts.database);
  options.listed_tables = {"public.other", "public.posts", "public.absent"};
  Running running(options);
  running.wait_until_leading();
  CHECK(running.sink.catalog()->exists_unwatched("public.other"));
  CHECK(!running.sink.catalog()->exists_unwatched("public.posts"));
  CHECK(!running.sink.catalog()->exists_unwatched("public.absent"));
  posts.database.run("create table late (a int, b int, t text, primary key (b, a))");
  watch_in(posts.database, "late");
  posts.database.run("insert into late values (1, 2, 'x')");
  running.wait_for(1);
  CHECK(lines_of(running.sink.events()) ==
        std::vector<std::string>{"create late 2,1 {\"a\":1,\"b\":2,\"t\":\"x\"}"});
  const Collection* late = running.sink.catalog()->find("late");
  REQUIRE(late != nullptr);
  CHECK(late->key == std::vector<std::string>{"b", "a"});
  CHECK(late->columns == std::vector<std::string>{"a", "b", "t"});
  CHECK(late->table == "public.late");
  running.source->list_tables({"public.posts"});
  eventually([&] { return !running.sink.catalog()->exists_unwatched("public.other"); });
}
