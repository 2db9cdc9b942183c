#include <algorithm>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "integration/capture_ledger.hpp"

// Several bridges on one database, and a bridge that dies without a word.

using namespace pgtide;
using namespace pgtide::test;
using namespace std::chrono_literals;

namespace {

void end_leader(const Database& database) {
  Session(database.url()).run(
      "select pg_terminate_backend(pid) from pgtide.bridge where leads");
}

// A sink that tells another process of each piece, in one line: cursor, then what the ledger
// counts.
class Teller : public ChangeSink {
 public:
  explicit Teller(int descriptor) : descriptor_(descriptor) {}
  void begin_at(const Cursor& at, std::shared_ptr<const Catalog>,
                std::optional<ResyncReason> why) override {
    tell((why ? "L " : "B ") + to_string(at) + "\n");
  }
  void catalog_changed(std::shared_ptr<const Catalog>) override {}
  void deliver(std::shared_ptr<const Batch> piece) override {
    std::string line = "P " + to_string(piece->cursor_end());
    for (const Event& event : piece->events)
      line += " " + std::string(event.action == Action::create ? "c" : "u") + ":" +
              event.collection + ":" + event.record_id + ":" +
              (event.collection == "counter"
                   ? event.new_row.substr(event.new_row.find("\"n\":"),
                                          event.new_row.find('}') - event.new_row.find("\"n\":"))
                   : "");
    tell(line + "\n");
  }
  void status_changed(const SourceStatus&) override {}

 private:
  void tell(const std::string& line) {
    for (std::size_t at = 0; at < line.size();) {
      const ssize_t written = write(descriptor_, line.data() + at, line.size() - at);
      if (written <= 0) _exit(0);  // nobody listens any more
      at += static_cast<std::size_t>(written);
    }
  }
  int descriptor_;
};

// This very program as another process that runs a source, until it is killed.
class Child {
 public:
  Child(const std::string& url, const std::string& after) {
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 9);
    const std::string arguments[] = {"/proc/self/exe", "--no-skip", "--test-case=child:*"};
    char* argv[] = {const_cast<char*>(arguments[0].c_str()),
                    const_cast<char*>(arguments[1].c_str()),
                    const_cast<char*>(arguments[2].c_str()), nullptr};
    setenv("PGTIDE_CHILD_URL", url.c_str(), 1);
    setenv("PGTIDE_CHILD_AFTER", after.c_str(), 1);
    REQUIRE(posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, argv, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    output_ = fdopen(ends[0], "r");
  }
  ~Child() {
    kill();
    fclose(output_);
  }
  // A whole line, or none at the end of what it has told.
  std::optional<std::string> line() {
    std::string text;
    for (int c = getc(output_); c != EOF; c = getc(output_)) {
      if (c == '\n') return text;
      text += static_cast<char>(c);
    }
    return std::nullopt;
  }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
  FILE* output_ = nullptr;
};

// What the children told, put together as one stream.
struct Told {
  std::vector<Event> events;
  std::string cursor;
  std::vector<std::string> wrong;

  void hear(const std::string& line) {
    std::istringstream words(line);
    std::string kind;
    words >> kind >> cursor;
    if (kind == "L") wrong.push_back("begun anew");
    for (std::string word; words >> word;) {
      Event event;
      const auto colon = word.find(':', 2);
      const auto next = word.find(':', colon + 1);
      event.action = word[0] == 'c' ? Action::create : Action::update;
      event.collection = word.substr(2, colon - 2);
      event.record_id = word.substr(colon + 1, next - colon - 1);
      event.new_row = word.substr(next + 1);
      events.push_back(std::move(event));
    }
  }
};

}  // namespace

TEST_CASE("child: a source that tells of what it delivers" * doctest::skip()) {
  const char* url = std::getenv("PGTIDE_CHILD_URL");
  if (url == nullptr) return;
  SourceOptions options;
  options.url = url;
  options.retention = 400ms;
  if (const auto after = parse_cursor(std::getenv("PGTIDE_CHILD_AFTER"))) options.after = *after;
  Teller teller(9);
  const auto source = make_postgres_source(options);
  source->start(teller);
  for (;;) pause();
}

TEST_CASE("capture: a leader killed with SIGKILL under load loses and repeats nothing") {
  InstalledDatabase database;
  Ledger ledger(database, {});
  ledger.start();
  Told told;
  Session session(database.url());
  for (long round = 0; round < figure("KILLS", 5); ++round) {
    Child child(database.url(), told.cursor);
    for (int lines = 0; lines < 40 + round * 7; ++lines) {
      const auto line = child.line();
      REQUIRE(line.has_value());
      told.hear(*line);
    }
    child.kill();
    while (const auto line = child.line()) told.hear(*line);
  }
  ledger.stop();
  Child last(database.url(), told.cursor);
  std::string wrong = "nothing yet";
  const auto end = std::chrono::steady_clock::now() + 30s;
  // The marker is the last event there can be.
  session.run("insert into fact values (-1, 'end')");
  while (std::chrono::steady_clock::now() < end) {
    const auto line = last.line();
    REQUIRE(line.has_value());
    told.hear(*line);
    if (!told.events.empty() && told.events.back().record_id == "-1") break;
  }
  CHECK(Ledger::audit(session, told.events) == "");
  CHECK(told.wrong == std::vector<std::string>{});
}

TEST_CASE("capture: a follower reads what the leader reads, and takes over when it goes") {
  InstalledDatabase database;
  Ledger ledger(database, {});
  auto first = std::make_unique<Running>(database);
  first->wait_until_leading();
  Running second(database);
  eventually([&] { return second.source->status().connected; });
  CHECK(!second.source->status().leader);
  Session session(database.url());

  SUBCASE("in an orderly way") {
    ledger.start();
    second.wait_for(200);
    first->source->stop();
    second.wait_until_leading();
    const std::size_t before = second.sink.count();
    second.wait_for(before + 200);
    ledger.stop();
    // The second has begun later and gone on for longer; in between they are the same.
    auto earlier = first->sink.events();
    auto later = second.sink.events();
    const auto shared_start = std::find_if(earlier.begin(), earlier.end(), [&](const Event& event) {
      return event.id == later.front().id;
    });
    REQUIRE(shared_start != earlier.end());
    earlier.erase(earlier.begin(), shared_start);
    REQUIRE(later.size() > earlier.size());
    later.resize(earlier.size());
    CHECK(lines_of(earlier) == lines_of(later));
  }
  SUBCASE("when its connection is lost, again and again") {
    ledger.start();
    for (int i = 0; i < 4; ++i) {
      const std::size_t before = second.sink.count();
      second.wait_for(before + 100);
      end_leader(database);
    }
    const std::size_t before = second.sink.count();
    second.wait_for(before + 100);
    ledger.stop();
    std::string wrong;
    eventually([&] { return (wrong = Ledger::audit(session, first->sink.events())).empty(); }, 20s,
               [&] { return wrong; });
    CHECK(first->sink.broken() == std::vector<std::string>{});
  }
  std::string wrong;
  eventually([&] { return (wrong = Ledger::audit(session, second.sink.events())).empty(); }, 20s,
             [&] { return wrong; });
  CHECK(second.sink.broken() == std::vector<std::string>{});
}

TEST_CASE("capture: a follower whose next tick is gone is told that its cursor has expired") {
  InstalledDatabase database;
  database.run("create table posts (id bigint primary key)");
  watch_in(database, "posts");
  Running leader(database);
  leader.wait_until_leading();
  Running follower(database);
  eventually([&] { return follower.source->status().connected; });
  follower.sink.hold(true);
  for (std::size_t i = 1; i <= 4; ++i) {
    database.run("insert into posts values (" + std::to_string(i) + ")");
    leader.wait_for(i);
    if (i == 1) follower.wait_for(1);
  }
  const std::uint64_t last = leader.sink.position().tick;
  const std::string kept = std::to_string(last);
  database.run("update pgtide.meta set horizon = " + kept +
               "; delete from pgtide.tick0 where n < " + kept);
  follower.sink.hold(false);
  eventually([&] { return follower.sink.begins().size() == 2; }, 20s,
             [&] { return follower.source->status().fault; });
  CHECK(follower.sink.begins()[1].why == ResyncReason::cursor_expired);
  CHECK(follower.sink.begins()[1].position.tick == last);
  const std::size_t before = follower.sink.count();
  database.run("insert into posts values (5)");
  follower.wait_for(before + 1);
  CHECK(follower.sink.broken() == std::vector<std::string>{});
}

TEST_CASE("capture: a follower is told of each tick, and only where there is one") {
  InstalledDatabase database;
  database.run("create table posts (id bigint primary key)");
  watch_in(database, "posts");
  Running leader(database);
  leader.wait_until_leading();
  Session listener = database.session();
  listener.run("listen pgtide_tick");
  Session writer = database.session();
  writer.run("insert into posts values (0)");
  leader.wait_for(1);
  Running follower(database);
  eventually([&] { return follower.source->status().connected; });
  long fast = 0;
  for (int i = 1; i <= 20; ++i) {
    const auto start = std::chrono::steady_clock::now();
    writer.run("insert into posts values (" + std::to_string(i) + ")");
    follower.wait_for(static_cast<std::size_t>(i));
    if (std::chrono::steady_clock::now() - start < 500ms) ++fast;
  }
  CHECK(fast >= 19);  // by the safety poll it would be five of them
}
