#include <algorithm>
#include <atomic>
#include <thread>

#include "capture/broadcaster.hpp"
#include "integration/capture_recorder.hpp"

using namespace pgtide;
using namespace pgtide::test;
using namespace std::chrono_literals;

namespace {

// Inserts posts 1, 2, 3 ... by a session of its own, until it is stopped or one fails.
class Inserter {
 public:
  explicit Inserter(const Database& database)
      : thread_([this, session = database.session()]() mutable {
          while (!stopping_ && failure.empty()) {
            const std::string id = std::to_string(committed + 1);
            const Outcome outcome = session.attempt("insert into posts (id) values (" + id + ")");
            failure = outcome.message;
            if (outcome.ok()) ++committed;
          }
        }) {}
  ~Inserter() { stop(); }

  void wait_for_more() {
    eventually([this, before = committed.load()] { return committed > before + 20; });
  }
  void stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }

  std::atomic<long> committed = 0;
  std::string failure;  // after stop()

 private:
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace

TEST_CASE("capture: a change reaches the sink as it was committed") {
  Posts posts;
  Running running(posts.database);
  running.wait_until_leading();
  posts.database.run("insert into posts values (1, 'a')");
  posts.database.run("update posts set title = 'b'");
  posts.database.run("update posts set id = 2");
  posts.database.run("delete from posts");
  posts.database.run("select pgtide_api.broadcast('news', '{\"a\":1}')");
  posts.database.run("select pgtide_api.broadcast_all('[1]')");
  posts.database.run("truncate posts");
  running.wait_for(8);
  CHECK(lines_of(running.sink.events()) ==
        std::vector<std::string>{"create posts 1 {\"id\":1,\"title\":\"a\"}",
                                 "update posts 1 {\"id\":1,\"title\":\"b\"}", "delete posts 1 ",
                                 "create posts 2 {\"id\":2,\"title\":\"b\"}", "delete posts 2 ",
                                 "custom news  {\"a\":1}", "custom   [1]", "truncate posts  "});
  const Event update = running.sink.events()[1];
  CHECK(update.old_row == "{\"id\":1,\"title\":\"a\"}");
  CHECK(update.timestamp.size() == std::string("2026-11-23T10:15:30.123456Z").size());
  CHECK(running.sink.events()[6].to_everyone);
  CHECK(running.sink.broken().empty());
  CHECK(running.sink.faults().empty());
}

TEST_CASE("capture: a table that is watched meanwhile is known at once, not at the next look") {
  Posts posts;
  Running running(posts.database);
  running.wait_until_leading();
  posts.database.run("create table late (id bigint primary key)");
  watch_in(posts.database, "late");
  eventually([&] { return running.sink.catalog()->find("late") != nullptr; });
  posts.database.run("select pgtide.unwatch('late')");
  eventually([&] { return running.sink.catalog()->find("late") == nullptr; });
}

TEST_CASE("capture: an idle source sends under one statement a second and is woken by a commit") {
  Posts posts;
  Running running(posts.database);
  running.wait_until_leading();
  const auto armed = [&] { return is_armed(posts.database); };
  eventually(armed);
  auto writer = posts.database.session();
  for (int i = 1; i <= 20; ++i) {
    eventually(armed);
    const auto before = running.source->status().queries;
    writer.run("insert into posts values (" + std::to_string(i) + ")");
    const auto start = std::chrono::steady_clock::now();
    running.wait_for(static_cast<std::size_t>(i));
    const auto took = std::chrono::steady_clock::now() - start;
    // The safety poll would find it as well, in two seconds: the notification must have.
    CHECK(std::chrono::duration_cast<std::chrono::milliseconds>(took).count() < 1000);
    CHECK(running.source->status().queries > before);
  }
  eventually(armed);
  // A lease that is logged is renewed every five minutes only.
  if (writer.server_version() < 150'000) return;
  // Asleep, it renews its lease every two seconds and does nothing else. The housework of every
  // thirty seconds may fall into one of two such turns.
  const auto until_renewed = [&] {
    const auto lease = [&] {
      return posts.database.value("select pg_sequence_last_value('pgtide.armed')");
    };
    const auto before = lease();
    eventually([&] { return lease() != before; }, 20s);
    return running.source->status().queries;
  };
  const auto first = until_renewed();
  const auto second = until_renewed();
  const auto third = until_renewed();
  CHECK(std::min(second - first, third - second) <= 2);
}

TEST_CASE("capture: stop lets go of the lease and returns, whatever the source waits for") {
  Posts posts;
  Running running(posts.database);
  running.wait_until_leading();
  running.source->stop();
  CHECK(posts.database.value("select pg_sequence_last_value('pgtide.armed')") == "0");
}

TEST_CASE("capture: a record whose key is the empty text is sent as any other") {
  InstalledDatabase database;
  database.run("create table tag (name text primary key)");
  watch_in(database, "tag");
  Running running(database);
  running.wait_until_leading();
  database.run("insert into tag values ('')");
  running.wait_for(1);
  CHECK(lines_of(running.sink.events()) == std::vector<std::string>{"create tag  {\"name\":\"\"}"});
  CHECK(running.source->status().changes_skipped == 0);
}

TEST_CASE("capture: tables are altered while others write: no writer fails, no change is lost") {
  Posts posts;
  Running running(posts.database);
  running.wait_until_leading();
  Inserter inserter(posts.database);
  for (const char* change :
       {"add column extra text default 'x'", "drop column title", "add column title int",
        "alter column extra type varchar(10)", "rename column extra to more",
        "alter column more set not null"}) {
    inserter.wait_for_more();
    posts.database.run(std::string("alter table posts ") + change);
  }
  inserter.stop();
  CHECK(inserter.failure == "");
  std::vector<std::string> expected;
  for (long id = 1; id <= inserter.committed; ++id) expected.push_back(std::to_string(id));
  eventually([&] { return created_in(running.sink).size() >= expected.size(); });
  CHECK(created_in(running.sink) == expected);
  CHECK(running.source->status().changes_skipped == 0);
}

TEST_CASE("capture: a key whose type is altered harms no writer and loses no change") {
  Posts posts;
  Running running(posts.database);
  running.wait_until_leading();
  Inserter inserter(posts.database);
  inserter.wait_for_more();
  // The writer's session has planned for a bigint.
  posts.database.run("alter table posts alter column id type numeric");
  inserter.wait_for_more();
  inserter.stop();
  CHECK(inserter.failure == "");
  const std::string last = std::to_string(inserter.committed);
  eventually([&] {
    const std::vector<std::string> ids = created_in(running.sink);
    return std::find(ids.begin(), ids.end(), last) != ids.end();
  });
  CHECK(running.source->status().changes_skipped == 0);
}

TEST_CASE("capture: with logged sequences, as PostgreSQL 13 and 14 need, it sleeps and wakes") {
  Database database;
  install_in(database, {.force_logged_sequences = true});
  database.run("create table posts (id bigint primary key, title text)");
  watch_in(database, "posts");
  Running running(database);
  running.wait_until_leading();
  for (std::size_t id = 1; id <= 5; ++id) {
    eventually([&] { return is_armed(database); });
    database.run("insert into posts values (" + std::to_string(id) + ")");
    const auto start = std::chrono::steady_clock::now();
    running.wait_for(id);
    CHECK(std::chrono::steady_clock::now() - start < 1s);  // the safety poll takes two
  }
}

TEST_CASE("capture: a look that fails is said, and the ticks go on") {
  Posts posts;
  posts.database.run("alter function pgtide.look(int, int) rename to looked");
  posts.database.run(
      "create function pgtide.look(past int, upto int) returns table (collection int, wrong text, "
      "mend text) language plpgsql as 'begin raise ''no look today''; end'");
  Running running(posts.database);
  running.wait_until_leading();
  posts.database.run("insert into posts values (1, 'a')");
  running.wait_for(1);
  const SourceStatus status = running.source->status();
  CHECK(status.leader);
  CHECK(status.reconnects == 0);
  CHECK(status.fault.find("no look today") != std::string::npos);
  CHECK(running.sink.faults().size() == 1);
}

TEST_CASE("capture: a look without end is ended and said, and the ticks go on") {
  Posts posts;
  posts.database.run("alter function pgtide.look(int, int) rename to looked");
  posts.database.run(
      "create function pgtide.look(past int, upto int) returns table (collection int, wrong text, "
      "mend text) language plpgsql as 'begin perform pg_sleep(3600); end'");
  SourceOptions options = Running::options_for(posts.database);
  options.statement_time_max = std::chrono::milliseconds{200};
  Running running(options);
  running.wait_until_leading();
  posts.database.run("insert into posts values (1, 'a')");
  running.wait_for(1);
  const SourceStatus status = running.source->status();
  CHECK(status.leader);
  CHECK(status.reconnects == 0);
  CHECK_MESSAGE(status.fault.find("the look at collection posts took longer than 200 ms") == 0,
                status.fault);
}

TEST_CASE("capture: a lock on what is watched keeps nobody from its ticks, and is said") {
  Posts posts;
  SourceOptions options = Running::options_for(posts.database);
  options.statement_time_max = std::chrono::milliseconds{500};
  Running leader(options);
  leader.wait_until_leading();
  Running follower(options);
  eventually([&] { return follower.source->status().connected; });
  Session member = posts.database.session();
  member.run("begin; lock table pgtide.collection in access exclusive mode");
  const std::string says =
      "to read the catalog of what is watched waited for a lock for longer than 50 ms";
  for (Running* one : {&leader, &follower}) {
    one->source->list_tables({"public.other"});
    eventually([&] { return one->source->status().fault.find(says) != std::string::npos; },
               std::chrono::seconds{10}, [&] { return one->source->status().fault; });
  }
  posts.database.run("insert into posts values (1, 'a')");
  leader.wait_for(1);
  follower.wait_for(1);
  member.run("rollback");
  for (Running* one : {&leader, &follower}) {
    eventually([&] { return one->source->status().fault.empty(); }, std::chrono::seconds{40},
               [&] { return one->source->status().fault; });
    CHECK(one->source->status().reconnects == 0);
  }
}

TEST_CASE("capture: a lock on what was skipped keeps nobody from its ticks, and is told later") {
  Posts posts;
  SourceOptions options = Running::options_for(posts.database);
  options.statement_time_max = std::chrono::milliseconds{500};
  Running running(options);
  running.wait_until_leading();
  Session member = posts.database.session();
  member.run("begin; lock table pgtide.skipped in access exclusive mode");
  posts.database.run("insert into pgtide.log0 (collection, action, record, record_hash, new_row) "
                     "values (1, 'c', '1', 1, '[1]')");
  posts.database.run("insert into posts values (2, 'next')");
  running.wait_for(2);  // the mark in place of what was skipped, and the next
  posts.database.run("insert into posts values (3, 'next')");
  running.wait_for(3);
  member.run("rollback");
  eventually([&] { return running.source->status().skipped.size() == 1; },
             std::chrono::seconds{60});
  CHECK(running.source->status().reconnects == 0);
}

TEST_CASE("capture: a broadcast is refused with what mends it") {
  const Role stranger;
  Posts posts;
  Broadcaster owner(posts.database.url());
  std::string deep;
  deep.append(50'000, '[').append(50'000, ']');
  const Result<void> too_deep = owner.broadcast("news", deep);
  REQUIRE(!too_deep);
  CHECK(too_deep.error().kind == ErrorKind::invalid);
  CHECK(owner.broadcast("news", "1").ok());
  Broadcaster other(posts.database.url(stranger.name()));
  const Result<void> refused = other.broadcast("news", "1");
  REQUIRE(!refused);
  CHECK(refused.error().kind == ErrorKind::denied);
  CHECK(refused.error().message.find("GRANT EXECUTE ON FUNCTION pgtide_api.broadcast") !=
        std::string::npos);
}

TEST_CASE("capture: what a database lacks is said with the command that mends it") {
  Database database;
  Running running(database);
  eventually([&] { return !running.source->status().fault.empty(); });
  CHECK(running.source->status().fault ==
        "database " + database.name() + " has no pgtide schema; run: pgtide install");
  install_in(database);
  running.wait_until_leading();
  CHECK(running.source->status().fault.empty());
}
