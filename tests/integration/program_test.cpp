#include <doctest/doctest.h>

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <thread>

#include "capture/change_source.hpp"
#include "model/cursor.hpp"
#include "support/own_loopback.hpp"
#include "support/program.hpp"
#include "support/running_bridge.hpp"
#include "support/serving.hpp"
#include "support/text.hpp"

// The program as an operator runs it: in the foreground of a shell, behind a supervisor, two of
// them, and killed.
using namespace pgtide;
using namespace pgtide::test;

namespace {

using Frames = std::vector<std::string>;

// Takes what the log's batches hold, whoever makes the ticks.
class Collector : public ChangeSink {
 public:
  void begin_at(const Cursor&, std::shared_ptr<const Catalog>,
                std::optional<ResyncReason> why) override {
    const std::lock_guard lock(mutex_);
    if (why) ++losses_;
  }
  void catalog_changed(std::shared_ptr<const Catalog>) override {}
  void deliver(std::shared_ptr<const Batch> piece) override {
    const std::lock_guard lock(mutex_);
    for (const Event& event : piece->events) events_.push_back(event);
  }
  void status_changed(const SourceStatus&) override {}

  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return events_.size();
  }
  int losses() const {
    const std::lock_guard lock(mutex_);
    return losses_;
  }
  std::vector<Event> take() {
    const std::lock_guard lock(mutex_);
    return std::move(events_);
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Event> events_;
  int losses_ = 0;
};

// Four sessions that insert posts of their own and update one that all share, until stopped.
class Load {
 public:
  explicit Load(const Stage& stage) {
    stage.database.session().run("insert into posts values (0, '0')");
    for (int i = 0; i < 4; ++i)
      writers_.emplace_back([this, i, url = stage.database.url()] { write(url, i); });
  }
  ~Load() { stop(); }
  void stop() {
    enough_ = true;
    for (std::thread& writer : writers_) writer.join();
    writers_.clear();
  }

  int written() const { return written_; }
  int failures() const { return failures_; }
  std::set<std::string> inserted() {
    const std::lock_guard lock(mutex_);
    return inserted_;
  }

 private:
  void write(const std::string& url, int number) {
    Session session(url);
    for (int n = 1; !enough_; ++n) {
      const std::string id = std::to_string(number * 1'000'000 + n);
      const bool well =
          session.attempt("insert into posts values (" + id + ", 'x')").ok() &&
          session.attempt("update posts set title = (title::int + 1)::text where id = 0").ok();
      if (!well) ++failures_;
      ++written_;
      const std::lock_guard lock(mutex_);
      inserted_.insert(id);
    }
  }

  std::atomic<bool> enough_ = false;
  std::atomic<int> written_ = 0;
  std::atomic<int> failures_ = 0;
  std::mutex mutex_;
  std::set<std::string> inserted_;
  std::vector<std::thread> writers_;
};

// Every insert once, and the shared post's titles one after the other.
void check_complete(const std::vector<Event>& events, const std::set<std::string>& inserted,
                    int first_title) {
  std::map<std::string, int> seen;
  int title = first_title;
  for (const Event& event : events) {
    if (event.action == Action::create) ++seen[event.record_id];
    if (event.action != Action::update) continue;
    REQUIRE(event.record_id == "0");
    REQUIRE(member(event.new_row, "title") == std::to_string(++title));
  }
  seen.erase("0");
  int repeated = 0;
  for (const auto& [id, times] : seen) repeated += times - 1;
  CHECK(repeated == 0);
  CHECK(seen.size() == inserted.size());
  for (const std::string& id : inserted) REQUIRE(seen.count(id) == 1);
}

Cursor last_tick(const Stage& stage) {
  Cursor cursor;
  const auto rows = stage.database.session().run(
      "select m.epoch, t.n, t.nonce from pgtide.meta m, pgtide.tick t order by t.n desc limit 1");
  REQUIRE(rows.size() == 1);
  cursor.epoch = static_cast<std::uint64_t>(std::stoll(rows[0][0]));
  cursor.tick = std::stoull(rows[0][1]);
  cursor.nonce = static_cast<std::uint64_t>(std::stoll(rows[0][2]));
  return cursor;
}

// Within e'...'.
std::string doc_literal(const std::string& text) {
  std::string literal;
  for (const char c : text) literal += c == '\\' ? "\\\\" : std::string(1, c);
  return literal;
}

}  // namespace

TEST_CASE("program: from an empty database to events on the terminal, as the README has it") {
  Database database;
  Folder folder;
  database.run("create table posts (id int primary key, title text)");
  const ProgramOptions options{.environment = {"DATABASE_URL=" + database.url()},
                               .folder = folder.path("")};
  REQUIRE(run_program({"install"}, options).code == 0);
  REQUIRE(run_program({"watch", "posts"}, options).code == 0);
  folder.write("rules.yaml", "version: 1\ncollections:\n  posts:\n    subscribe: public\n");
  Program run(PGTIDE_PROGRAM, {"run", "--server.listen", "127.0.0.1:0"}, options);
  std::smatch found;
  std::string log;
  const std::regex listening("ws://(127\\.0\\.0\\.1:[0-9]+)/realtime/subscribe");
  eventually([&] { return std::regex_search(log = run.errors(), found, listening); }, patience);
  const std::string url = found[0];
  eventually([&] { return http(found[1], "GET /readyz").status == 200; }, patience);

  Program tail(PGTIDE_PROGRAM, {"tail", "posts.*", "--url", url});
  Program raw(PGTIDE_PROGRAM, {"tail", "posts.*", "--json", "--url", url});
  eventually([&] { return holds(http(found[1], "GET /metrics").body, "pgtide_subscriptions 2\n"); },
             patience);
  database.run("insert into posts values (1, 'Hi')");
  database.run("update posts set title = 'Ho'");
  database.run("delete from posts");
  database.run("truncate posts");
  eventually([&] { return holds(tail.output(), "truncate"); }, patience);
  const std::string time = "[0-9-]{10}T[0-9:]{8}\\.[0-9]{6}Z ";
  const std::regex lines(time + R"(create   posts 1 \{"id":1,"title":"Hi"\}\n)" + time +
                         R"(update   posts 1 \{"id":1,"title":"Ho"\}\n)" + time +
                         R"(delete   posts 1 \{"id":1\}\n)" + time + R"(truncate posts null\n)");
  CAPTURE(tail.output());
  CHECK(std::regex_match(tail.output(), lines));  // and so without colours

  eventually([&] { return holds(raw.output(), "truncate"); }, patience);
  std::istringstream frames(raw.output());
  Frames types;
  for (std::string line; std::getline(frames, line);) types.push_back(member(line, "type"));
  CHECK(types == Frames{"connected", "subscribed", "record_event", "record_event", "record_event",
                        "record_event"});
  for (Program* one : {&tail, &raw}) {
    one->signal(SIGINT);
    CHECK(one->wait().code == 0);
  }
  run.signal(SIGINT);
  CHECK(run.wait().code == 0);
}

TEST_CASE("program: tail --json prints one line for each frame, whatever stands in it") {
  Stage stage;
  stage.database.run("alter table posts add column doc json");
  const Serving serving(stage, "port");
  Program raw(PGTIDE_PROGRAM, {"tail", "posts.*", "news.*", "--json", "--url", serving.url()});
  eventually([&] { return holds(raw.output(), "\"subscribed\""); }, patience);
  const std::string doc = "{\r\n\t\"a\": 1.10,\n\n  \"b\": \"x\\ny \\u000a z\"\r}\n";
  stage.database.run("insert into posts values (1, e'two\\nlines', e'" + doc_literal(doc) + "')");
  stage.database.run("select pgtide_api.broadcast('news', e'" + doc_literal(doc) + "')");
  stage.database.run("insert into posts values (2, 'last')");
  eventually([&] { return holds(raw.output(), "last"); }, patience, [&] { return raw.output(); });
  std::istringstream frames(raw.output());
  std::vector<std::string> lines;
  for (std::string line; std::getline(frames, line);) {
    CAPTURE(line);
    CHECK(nlohmann::json::accept(line));
    CHECK(line.find_first_of("\r\t") == std::string::npos);
    const std::string type = member(line, "type");
    if (type == "record_event" || type == "custom_event") lines.push_back(line);
  }
  REQUIRE(lines.size() == 3);
  const auto event = nlohmann::json::parse(lines[0]);
  CHECK(event.at("record").at("title") == "two\nlines");
  CHECK(event.at("record").at("doc") == nlohmann::json::parse(doc));
  CHECK(holds(lines[0], "1.10"));
  CHECK(member(lines[1], "type") == "custom_event");
}

TEST_CASE("program: tail ends with the server's refusal, and goes on over a restart") {
  Stage stage;
  std::optional<Serving> serving(std::in_place, stage, "port", std::vector<std::string>{},
                                 own_loopback() + ":0");
  const ProgramEnd refused = run_program({"tail", "secret.*", "--url", serving->url()});
  CHECK(refused.code == 1);
  CHECK(holds(refused.errors, "secret.*"));

  Program tail(PGTIDE_PROGRAM, {"tail", "news.*", "--url", serving->url()});
  const auto send_until_seen = [&](const std::string& mark) {
    eventually(
        [&] {
          CHECK(run_program({"broadcast", "news", mark, "--database", stage.database.url()}).code ==
                0);
          return holds(tail.output(), mark);
        },
        patience);
  };
  send_until_seen("\"first\"");
  const std::string address = serving->address();
  serving.reset();
  serving.emplace(stage, "port", std::vector<std::string>{}, address);
  send_until_seen("\"second\"");
  CHECK(holds(tail.errors(), "trying again"));
}

TEST_CASE("program: broadcast says nothing where all is well, and warns of an unlisted name") {
  Stage stage;
  const ProgramOptions options{.environment = {"DATABASE_URL=" + stage.database.url()},
                               .folder = stage.folder.path("")};
  const ProgramEnd listed = run_program({"broadcast", "news", "{}"}, options);
  CHECK(listed.code == 0);
  CHECK(listed.output + listed.errors == "");
  CHECK(holds(run_program({"broadcast", "other", "{}"}, options).errors, "no rule lists 'other'"));
}

TEST_CASE("program: a port that is taken is exit code 1, and says which") {
  Stage stage;
  Serving serving(stage, "port");
  const ProgramEnd end = run_program(
      {"run", "--server.listen", serving.address()},
      {.environment = {"DATABASE_URL=" + stage.database.url()}, .folder = stage.folder.path("")});
  CHECK(end.code == 1);
  CHECK(holds(end.errors, serving.address()));
}

TEST_CASE("program: without a rules file run starts, denies, and logs the lines to write") {
  Stage stage;
  std::filesystem::remove(stage.folder.path("rules.yaml"));
  Serving serving(stage, "port");
  CHECK(holds(serving.program->errors(), "subscribe: public"));
  Subscriber client(serving.address());
  CHECK(holds(client.ask_for("posts.*"), "unauthenticated"));
}

TEST_CASE("program: SIGHUP loads the rules anew, and a bad file keeps the old ones") {
  Stage stage;
  Serving serving(stage, "port");
  Subscriber client(serving.address());
  client.subscribe({"posts.*"});
  stage.folder.write("rules.yaml", "version: 1\ncollection: {}\n");
  serving.program->signal(SIGHUP);
  eventually([&] { return holds(serving.program->errors(), "rules.yaml:2:1: "); });
  client.subscribe({"news.*"});
  stage.folder.write("rules.yaml", "version: 1\ncollections:\n  news:\n    subscribe: public\n");
  serving.program->signal(SIGHUP);
  const std::string refusal = client.hear();
  CHECK(member(refusal, "code") == "unauthenticated");
  CHECK(member(refusal, "pattern") == "posts.*");
}

TEST_CASE("program: SIGTERM drains: what is queued, then 1001, then exit code 0") {
  Stage stage;
  Serving serving(stage, "port");
  Subscriber client(serving.address());
  client.subscribe({"posts.*"});
  stage.database.run("insert into posts select n, 'x' from generate_series(1, 200) n");
  CHECK(member(client.next(), "record_id") == "1");
  serving.program->signal(SIGTERM);
  for (int n = 2; n <= 200; ++n) REQUIRE(member(client.next(), "record_id") == std::to_string(n));
  CHECK(client.closed() == 1001);
  const ProgramEnd end = serving.program->wait();
  CHECK(end.code == 0);
  CHECK(end.output == "");  // the log is on standard error
  CHECK(!holds(end.errors, "\x1b"));
}

TEST_CASE("program: a client that never reads does not hold the drain for longer than 10 s") {
  Stage stage;
  Serving serving(stage, "port", {"--limits.backlog-bytes", "67108864"});
  Subscriber stuck(serving.address());
  stuck.subscribe({"posts.*"});
  stage.database.run(
      "insert into posts select n, repeat('x', 1000) from generate_series(1, 20000) n");
  CHECK(member(stuck.next(), "record_id") == "1");
  const auto start = std::chrono::steady_clock::now();
  serving.program->signal(SIGTERM);
  CHECK(serving.program->wait().code == 0);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds{13});
}

TEST_CASE("program: log lines are JSON where log.format says so") {
  Stage stage;
  Serving serving(stage, "port", {"--log.format", "json"});
  serving.program->signal(SIGTERM);
  std::istringstream lines(serving.program->wait().errors);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    CAPTURE(line);
    CHECK(member(line, "level") != "");
    CHECK(member(line, "message") != "");
  }
  CHECK(count >= 2);
}

TEST_CASE("program: status names the leader while a bridge runs") {
  Stage stage;
  const ProgramOptions options{.environment = {"DATABASE_URL=" + stage.database.url()}};
  CHECK(holds(run_program({"status"}, options).output, "no bridge is running"));
  Serving serving(stage, "port");
  const ProgramEnd end = run_program({"status"}, options);
  CHECK(end.code == 0);
  CHECK(!holds(end.output, "no bridge is running"));
}

TEST_CASE("program: a second bridge follows, serves the same events, and takes over") {
  Stage stage;
  Serving first(stage, "first");
  REQUIRE(first.leads());
  Serving second(stage, "second");
  CHECK(!second.leads());
  Subscriber at_first(first.address());
  Subscriber at_second(second.address());
  at_first.subscribe({"posts.*"});
  at_second.subscribe({"posts.*"});
  stage.database.run("insert into posts values (1, 'a')");
  const std::string frame = at_first.next();
  CHECK(at_second.next() == frame);  // the same cursor on every node

  first.kill();
  stage.database.run("insert into posts values (2, 'b')");
  const auto after = at_second.next_within(std::chrono::seconds{20});
  REQUIRE(after.has_value());
  CHECK(member(*after, "record_id") == "2");
  eventually([&] { return second.leads(); }, std::chrono::seconds{20});
}

TEST_CASE("program: a leader that stops hands over without losing or repeating a batch") {
  Stage stage;
  std::optional<Serving> leader(std::in_place, stage, "first");
  Serving follower(stage, "second");
  Collector collector;
  const auto source =
      make_postgres_source({.url = stage.database.url(), .after = last_tick(stage)});
  source->start(collector);
  Load load(stage);
  eventually([&] { return load.written() > 200; }, std::chrono::seconds{30});
  leader->program->signal(SIGTERM);
  CHECK(leader->program->wait().code == 0);
  eventually([&, at = load.written()] { return load.written() > at + 200; },
             std::chrono::seconds{30});
  load.stop();
  CHECK(load.failures() == 0);
  const std::size_t expected = 1 + 2 * static_cast<std::size_t>(load.written());
  eventually([&] { return collector.size() >= expected; }, std::chrono::seconds{30},
             [&] { return std::to_string(collector.size()) + " of " + std::to_string(expected); });
  source->stop();
  CHECK(collector.losses() == 0);
  check_complete(collector.take(), load.inserted(), 0);
}

TEST_CASE("program: kill -9 of the bridge under load: writers never fail, no batch is lost") {
  Stage stage;
  std::optional<Serving> serving(std::in_place, stage, "port");
  const Cursor start = last_tick(stage);
  Load load(stage);
  Frames titles;  // what a client saw after the last restart
  for (int round = 0; round < 3; ++round) {
    eventually([&, at = load.written()] { return load.written() > at + 150; },
               std::chrono::seconds{30});
    serving->kill();
    eventually([&, at = load.written()] { return load.written() > at + 50; },
               std::chrono::seconds{30});
    serving.reset();
    serving.emplace(stage, "port");
  }
  Subscriber client(serving->address());
  client.subscribe({"posts.0"});
  eventually([&, at = load.written()] { return load.written() > at + 100; },
             std::chrono::seconds{30});
  load.stop();
  CHECK(load.failures() == 0);
  stage.database.run("select pgtide_api.broadcast_all('\"end\"')");
  for (std::string frame = client.next(); member(frame, "data") != "end"; frame = client.next())
    titles.push_back(member(member(frame, "record"), "title"));
  REQUIRE(!titles.empty());
  for (std::size_t i = 1; i < titles.size(); ++i)
    REQUIRE(std::stoi(titles[i]) == std::stoi(titles[i - 1]) + 1);

  Collector collector;
  const auto source = make_postgres_source({.url = stage.database.url(), .after = start});
  source->start(collector);
  const std::size_t expected = 2 + 2 * static_cast<std::size_t>(load.written());
  eventually([&] { return collector.size() >= expected; }, std::chrono::seconds{30},
             [&] { return std::to_string(collector.size()) + " of " + std::to_string(expected); });
  source->stop();
  CHECK(collector.losses() == 0);
  check_complete(collector.take(), load.inserted(), 0);
}
