// The sequence that the log's ids come from never goes back unnoticed: a restore of rows alone sets
// it back under a live bridge (pg_dump --data-only holds its setval), and what one transaction has
// logged before and after would come reversed.
#include <algorithm>

#include "integration/capture_recorder.hpp"
#include "support/client_programs.hpp"
#include "support/folder.hpp"
#include "support/text.hpp"

using namespace pgtide;
using namespace pgtide::test;
using namespace std::chrono_literals;

namespace {

struct SetBack {
  std::string why;
  // Steps of two sessions, "1" or "2" and what it runs. {last} is the sequence's value before them.
  std::vector<std::pair<int, std::string>> steps;
  std::string end;  // by session 1, when it has been noticed, since no log begins anew before that
};

const SetBack ways_back[] = {
    {"in the middle of a transaction",
     {{1, "begin; insert into posts values (200, 'first')"},
      {2, "select setval('pgtide.change_id', 3)"},
      {1, "update posts set title = 'second' where id = 200"}},
     "commit"},
    {"and beyond again, so that an id is there twice",
     {{1, "begin; insert into posts values (200, 'first')"},
      {2, "select setval('pgtide.change_id', {last})"},
      {1, "update posts set title = title || 'x' where id in (200, 1, 2, 3)"},
      {1, "commit"}},
     ""},
    {"and beyond again, by a transaction that ends before",
     {{1, "begin; insert into posts values (200, 'first')"},
      {2, "select setval('pgtide.change_id', {last} - 5)"},
      {2, "update posts set title = title || 'x' where id between 1 and 9"}},
     "commit"},
    {"below what the log holds, and not below what was seen of it",
     {{1, "begin; insert into posts values (199, 'never there'); rollback"},
      {1, "insert into posts select g, 'first' from generate_series(200, 209) g"},
      {2, "select setval('pgtide.change_id', {last})"},
      {1, "update posts set title = 'second' where id = 205"}},
     ""},
    {"to its beginning",
     {{1, "insert into posts values (200, 'first')"},
      {2, "alter sequence pgtide.change_id restart"},
      {1, "update posts set title = 'second' where id = 200"}},
     ""},
};

// Nobody sees what happens until the end of the scope: the leader waits for its receiver.
class Blind {
 public:
  Blind(Running& running, Session& writer, std::size_t told) : running_(running) {
    running_.sink.hold(true);
    writer.run("insert into posts values (190, 'seen')");
    running_.wait_for(told + 1);
  }
  ~Blind() { running_.sink.hold(false); }

 private:
  Running& running_;
};

void take(const SetBack& way, Session& one, Session& two) {
  const std::string last = *one.value("select last_value from pgtide.change_id");
  for (const auto& [session, step] : way.steps) {
    std::string sql = step;
    if (const auto at = sql.find("{last}"); at != std::string::npos) sql.replace(at, 6, last);
    (session == 1 ? one : two).run(sql);
  }
}

void wait_until_noticed(const Running& running) {
  eventually([&] {
    const auto faults = running.sink.faults();
    return std::any_of(faults.begin(), faults.end(), [](const std::string& fault) {
      return holds(fault, "sequence pgtide.change_id was set back");
    });
  }, 20s, [&] { return running.source->status().fault; });
}

bool holds_event(const Recorder& sink, const std::string& line) {
  const auto lines = lines_of(sink.events());
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

}  // namespace

TEST_CASE("sequence: set back under a live bridge the log begins anew, and nothing is reversed") {
  for (const SetBack& way : ways_back) {
    CAPTURE(way.why);
    Posts posts;
    Running running(posts.database);
    running.wait_until_leading();
    Session one = posts.database.session();
    Session two = posts.database.session();
    one.run("insert into posts select g, 'old' from generate_series(1, 20) g");
    running.wait_for(20);
    const std::uint64_t epoch = running.sink.begins()[0].position.epoch;
    {
      const Blind blind(running, one, 20);
      take(way, one, two);
    }
    wait_until_noticed(running);
    if (!way.end.empty()) one.run(way.end);
    eventually([&] { return running.sink.begins().size() == 2; }, 20s,
               [&] { return running.source->status().fault; });
    running.wait_until_leading();
    const Recorder::Begin begun = running.sink.begins()[1];
    CHECK(begun.why == ResyncReason::log_lost);
    CHECK(begun.position.epoch != epoch);
    CHECK(running.sink.broken() == std::vector<std::string>{});
    one.run("begin; insert into posts values (300, 'a'); update posts set title = 'b' "
            "where id = 300; commit");
    eventually([&] {
      return holds_event(running.sink, R"(update posts 300 {"id":300,"title":"b"})");
    }, 20s, [&] { return running.source->status().fault; });
    CHECK(running.sink.broken() == std::vector<std::string>{});
    CHECK(running.sink.begins().size() == 2);
    CHECK(running.source->status().fault == "");
  }
}

TEST_CASE("sequence: whoever leads finds that it was set back while nobody led") {
  for (const SetBack& way : ways_back) {
    CAPTURE(way.why);
    Posts posts;
    SourceOptions options = Running::options_for(posts.database);
    Session one = posts.database.session();
    Session two = posts.database.session();
    {
      Running running(options);
      running.wait_until_leading();
      one.run("insert into posts select g, 'old' from generate_series(1, 20) g");
      running.wait_for(20);
      one.run("insert into posts values (190, 'seen')");
      running.wait_for(21);
      options.after = running.sink.position();
    }
    take(way, one, two);
    Running running(options);
    wait_until_noticed(running);
    if (!way.end.empty()) one.run(way.end);
    eventually([&] {
      return !running.sink.begins().empty() &&
             running.sink.begins().back().why == ResyncReason::log_lost;
    }, 20s, [&] { return running.source->status().fault; });
    running.wait_until_leading();
    CHECK(running.sink.count() == 0);
    one.run("insert into posts values (300, 'a')");
    running.wait_for(1);
    CHECK(lines_of(running.sink.events()) ==
          std::vector<std::string>{R"(create posts 300 {"id":300,"title":"a"})"});
    CHECK(running.sink.broken() == std::vector<std::string>{});
  }
}

TEST_CASE("sequence: it goes on from where it was, whatever else is done") {
  Posts posts;
  Running running(posts.database);
  running.wait_until_leading();
  for (const char* const step :
       {"begin; insert into posts values (1, 'a'); rollback; insert into posts values (2, 'b')",
        "begin; savepoint s; insert into posts values (3, 'c'); rollback to s; "
        "insert into posts values (4, 'd'); commit",
        "select setval('pgtide.change_id', nextval('pgtide.change_id') + 100000); "
        "insert into posts values (5, 'e')",
        "select setval('pgtide.change_id', last_value), pgtide_api.broadcast('posts', '{}') "
        "from pgtide.change_id",
        "checkpoint", "insert into posts select g, 'f' from generate_series(6, 5006) g"}) {
    CAPTURE(step);
    posts.database.run(step);
  }
  running.wait_for(3 + 1 + 5001);
  CHECK(running.sink.begins().size() == 1);
  CHECK(running.sink.broken() == std::vector<std::string>{});
}

TEST_CASE("sequence: rows of another server's log are sent to nobody, and the log begins anew") {
  Posts posts;
  Running running(posts.database);
  running.wait_until_leading();
  posts.database.run("insert into posts values (1, 'a')");
  running.wait_for(1);
  // As `pg_restore --data-only` copies it from a server that is older by a billion transactions.
  posts.database.run(
      "insert into pgtide.log0 (id, xid, at, collection, action, record, record_hash, new_row) "
      "select -g, '1000000000', now(), 1, 'c', 'secret', 0, '{\"id\":666,\"title\":\"secret\"}' "
      "from generate_series(1, 3) g");
  eventually([&] { return running.sink.begins().size() == 2; }, 20s,
             [&] { return running.source->status().fault; });
  CHECK(running.sink.begins()[1].why == ResyncReason::log_lost);
  running.wait_until_leading();
  posts.database.run("insert into posts values (2, 'b')");
  running.wait_for(2);
  CHECK(created_in(running.sink) == std::vector<std::string>{"1", "2"});
  CHECK(posts.database.value("select count(*) from pgtide.log") == "1");
}

TEST_CASE("sequence: a restore of all rows into a live database is told, and no change is wrong") {
  Posts posts;
  if (!can_dump(posts.database)) return;
  Running running(posts.database);
  running.wait_until_leading();
  Session writer = posts.database.session();
  writer.run("insert into posts select g, 'old' from generate_series(1, 20) g");
  running.wait_for(20);
  const Folder folder;
  const std::vector<std::string> environment{"DATABASE=" + posts.database.url()};
  const auto dumped =
      in_shell("pg_dump --data-only -Fc -f dump \"$DATABASE\"", environment, folder.path(""));
  REQUIRE_MESSAGE(dumped.code == 0, dumped.errors);
  writer.run("delete from posts; insert into posts values (500, 'kept')");
  running.wait_for(41);
  writer.run("begin; insert into posts values (501, 'first')");
  const auto restored = in_shell("pg_restore --data-only -d \"$DATABASE\" dump || true",
                                 environment, folder.path(""));
  CAPTURE(restored.errors);
  CHECK(holds(restored.errors, "duplicate key value"));  // what is watched is there already
  writer.run("update posts set title = 'second' where id = 501; commit");
  eventually([&] { return running.sink.begins().size() == 2; }, 20s,
             [&] { return running.source->status().fault; });
  CHECK(running.sink.begins()[1].why == ResyncReason::log_lost);
  running.wait_until_leading();
  const std::size_t count = running.sink.count();
  writer.run("begin; insert into posts values (502, 'first'); "
             "update posts set title = 'second' where id = 502; commit");
  running.wait_for(count + 2);
  CHECK(posts.database.value("select count(*) from posts") == "23");
  auto lines = lines_of(running.sink.events());
  lines.erase(lines.begin(), lines.end() - 2);
  CHECK(lines == std::vector<std::string>{R"(create posts 502 {"id":502,"title":"first"})",
                                          R"(update posts 502 {"id":502,"title":"second"})"});
  CHECK(running.sink.broken() == std::vector<std::string>{});
}

TEST_CASE("sequence: one that counts downwards is refused with what mends it") {
  Posts posts;
  posts.database.run("alter sequence pgtide.change_id increment -1");
  CHECK(posts.database.value("select mend from pgtide.database_faults()") ==
        "ALTER SEQUENCE pgtide.change_id CACHE 1 INCREMENT 1 NO CYCLE;");
  Running running(posts.database);
  eventually([&] { return holds(running.source->status().fault, "does not count upwards"); }, 20s,
             [&] { return running.source->status().fault; });
  posts.database.run(*posts.database.value("select mend from pgtide.database_faults()"));
  running.wait_until_leading();
}
