#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "support/serving.hpp"

// What a role can do that may connect to the database and nothing else: it takes advisory locks,
// and it notifies. And what the leader's silence, whatever its reason, looks like.
using namespace pgtide::test;

namespace {

ProgramEnd on(const Database& database, const Folder& folder,
              const std::vector<std::string>& arguments) {
  return run_program(arguments, {.environment = {"DATABASE_URL=" + database.url()},
                                 .folder = folder.path("")});
}

// posts, watched, in a database that the program itself has installed pgtide in.
struct Street {
  Street() {
    REQUIRE(on(database, folder, {"install"}).code == 0);
    database.run("create table posts (id bigint primary key, title text)");
    REQUIRE(on(database, folder, {"watch", "posts"}).code == 0);
    folder.write("rules.yaml", "version: 1\ncollections:\n  posts:\n    subscribe: public\n");
  }
  // Sessions of the stranger that wait for, or hold, each advisory lock that pg_locks shows here.
  void queue_for_all() {
    for (const Row& row : database.run(
             "select classid::int, objid::int, objsubid from pg_locks where locktype = 'advisory' "
             "and database = (select oid from pg_database where datname = current_database())")) {
      Session queued = database.session(stranger.name());
      queued.begin("select pg_advisory_lock(" + row[0] + ", " + row[1] + ")");
      waiting.push_back(std::move(queued));
    }
  }
  std::string status() { return on(database, folder, {"status", "--json"}).output; }

  Role stranger;
  Database database;
  Folder folder;
  std::vector<Session> waiting;
};

// `pgtide run` in the street; Serving wants a Stage, which installs by itself.
struct Runner {
  Runner(const Street& street, const std::string& name, std::vector<std::string> more = {})
      : port_file(street.folder.path(name)) {
    std::vector<std::string> arguments{"run", "--server.listen", "127.0.0.1:0",
                                       "--server.port-file", port_file};
    arguments.insert(arguments.end(), more.begin(), more.end());
    program.emplace(PGTIDE_PROGRAM, arguments,
                    ProgramOptions{.environment = {"DATABASE_URL=" + street.database.url()},
                                   .folder = street.folder.path("")});
    eventually([&] { return std::filesystem::exists(port_file) || !program->running(); }, patience);
    if (!program->running()) FAIL(program->errors());
    address = first_line(port_file);
  }
  HttpReply readiness() const { return http(address, "GET /readyz"); }
  void wait_until_ready() const {
    eventually([&] { return readiness().status == 200; }, patience,
               [&] { return readiness().body + program->errors(); });
  }
  bool leads() const { return holds(readiness().body, "\"leader\":true"); }

  std::string port_file;
  std::string address;
  std::optional<Program> program;
};

void hear(WireClient& client, Database& database, int id) {
  database.run("insert into posts values (" + std::to_string(id) + ", 'x')");
  std::string frame;
  do {
    frame = client.next();
  } while (!holds(frame, "\"id\":" + std::to_string(id)));
}

WireClient subscriber(const Runner& runner) {
  WireClient client(runner.address, "/realtime/subscribe");
  client.send(R"({"type":"subscribe","pattern":"posts.*"})");
  while (!holds(client.next(), "subscribed")) {
  }
  return client;
}

}  // namespace

TEST_CASE("locks: a role that may only connect keeps no bridge from leading, nor from following") {
  Street street;
  Session taker = street.database.session(street.stranger.name());
  for (int key = 0; key < 8; ++key) {
    taker.run("select pg_advisory_lock(1953064037, " + std::to_string(key) + "), "
              "pg_advisory_lock(1953064038, " + std::to_string(key) + ")");
  }
  taker.run("select pg_advisory_lock(hashtext('pgtide.install'))");
  REQUIRE(on(street.database, street.folder, {"install"}).code == 0);
  const Runner leader(street, "one");
  leader.wait_until_ready();
  eventually([&] { return leader.leads(); });
  const Runner follower(street, "two");
  follower.wait_until_ready();
  WireClient first = subscriber(leader), second = subscriber(follower);
  street.database.run("insert into posts values (1, 'x')");
  for (WireClient* client : {&first, &second}) {
    while (!holds(client->next(), "\"id\":1")) {
    }
  }
  const auto status = nlohmann::json::parse(street.status());
  CHECK(status["leader"].is_object());
  CHECK(status["leader"]["pid"] != taker.pid());
  CHECK(status["followers"] == 1);
  CHECK(status["faults"].empty());
  CHECK(on(street.database, street.folder, {"doctor"}).code == 0);
}

TEST_CASE("locks: who queues for every lock of the leader's does not get the lead when it dies") {
  Street street;
  std::optional<Runner> leader(std::in_place, street, "one");
  leader->wait_until_ready();
  eventually([&] { return leader->leads(); });
  const Runner follower(street, "two");
  follower.wait_until_ready();
  WireClient client = subscriber(follower);
  hear(client, street.database, 1);
  for (int round = 0; round < 2; ++round) {
    street.queue_for_all();
    leader->program->signal(SIGKILL);
    leader->program->wait();
    std::filesystem::remove(leader->port_file);
    eventually([&] { return follower.leads(); }, patience,
               [&] { return follower.readiness().body; });
    follower.wait_until_ready();
    hear(client, street.database, 10 + round);
    const auto status = nlohmann::json::parse(street.status());
    CHECK(status["faults"].empty());
    CHECK(status["leader"].is_object());
    for (const Session& queued : street.waiting) CHECK(status["leader"]["pid"] != queued.pid());
    if (round > 0) break;
    // The one that comes anew follows, though strangers hold what it once showed.
    street.queue_for_all();
    leader.emplace(street, "three");
    leader->wait_until_ready();
    street.database.run("select pg_terminate_backend(" + status["leader"]["pid"].dump() + ")");
    eventually([&] { return leader->leads() != follower.leads(); }, patience);
    if (leader->leads()) break;
  }
}

TEST_CASE("locks: changes that nobody makes ticks for make leader and follower not ready") {
  Street street;
  const Runner leader(street, "one", {"--ready.lag", "500ms"});
  leader.wait_until_ready();
  eventually([&] { return leader.leads(); });
  const Runner follower(street, "two", {"--ready.lag", "500ms"});
  follower.wait_until_ready();
  WireClient client = subscriber(follower);
  hear(client, street.database, 1);
  Session blocker = street.database.session();
  blocker.run("begin");
  blocker.run("lock table pgtide.tick0, pgtide.tick1, pgtide.tick2 in exclusive mode");
  street.database.run("insert into posts values (2, 'x')");
  for (const Runner* one : {&leader, &follower}) {
    eventually([&] { return one->readiness().status == 503; }, patience,
               [&] { return one->readiness().body; });
    CHECK(metric_of(one->address, "pgtide_lag_seconds") > 0.4);
    CHECK(holds(one->readiness().body, "\"reason\":\"the "));
  }
  CHECK(holds(follower.readiness().body, "makes no ticks"));
  const ProgramEnd doctor = on(street.database, street.folder, {"doctor"});
  CHECK(doctor.code == 1);
  CHECK(holds(doctor.output, "makes no ticks"));
  const ProgramEnd status = on(street.database, street.folder, {"status"});
  CHECK(status.code == 1);
  CHECK(holds(status.output, "makes no ticks"));
  blocker.run("rollback");
  for (const Runner* one : {&leader, &follower}) one->wait_until_ready();
  while (!holds(client.next(), "\"id\":2")) {
  }
}

TEST_CASE("locks: install waits for a transaction with a limit, and says for which") {
  Role maker;
  Database database;
  Folder folder;
  database.run("alter database " + database.name() + " set pgtide.lock_patience = '300ms'");
  database.run("grant create on database " + database.name() + " to " + maker.name());
  Session other = database.session(maker.name());
  other.run("begin; create schema pgtide");
  const ProgramEnd waited = on(database, folder, {"install"});
  CHECK(waited.code == 1);
  CHECK_MESSAGE(holds(waited.errors, "another transaction has made a schema pgtide"),
                waited.errors);
  other.run("rollback");
  REQUIRE(on(database, folder, {"install"}).code == 0);
  Session member = database.session();
  member.run("set application_name = 'another install'");
  member.run("begin; select from pgtide.meta for update");
  const ProgramEnd second = on(database, folder, {"install"});
  CHECK(second.code == 1);
  CHECK_MESSAGE(holds(second.errors, "process " + std::to_string(member.pid()) +
                                         " ('another install')"), second.errors);
  member.run("rollback");
  database.run("create table posts (id bigint primary key)");
  member.run("begin; lock table pgtide.collection in share row exclusive mode");
  const ProgramEnd watch = on(database, folder, {"watch", "posts"});
  CHECK(watch.code == 1);
  CHECK_MESSAGE(holds(watch.errors, "table pgtide.collection stayed locked"), watch.errors);
  CHECK_MESSAGE(holds(watch.errors, std::to_string(member.pid())), watch.errors);
}

TEST_CASE("notify: while somebody fills the server's queue, writers commit and clients hear") {
  Street street;
  const Runner leader(street, "one");
  leader.wait_until_ready();
  eventually([&] { return leader.leads(); });
  const Runner follower(street, "two");
  follower.wait_until_ready();
  WireClient first = subscriber(leader), second = subscriber(follower);
  // A listener in an open transaction keeps the queue's end where it is; 100 MB are past the share
  // of it that pgtide lets others take.
  Session idle = street.database.session(street.stranger.name());
  idle.run("listen flood");
  idle.run("begin; select 1");
  Session flooder = street.database.session(street.stranger.name());
  for (int i = 0; i < 13; ++i) {
    flooder.run(
        "select pg_notify('flood', i || repeat('x', 7900)) from generate_series(1, 1000) i");
  }
  REQUIRE(street.database.value("select pg_notification_queue_usage() > 0.01") == "t");
  // A listener of our own would see what the writer, the leader and the commands notify.
  for (int id = 1; id <= 5; ++id) {
    street.database.run("insert into posts values (" + std::to_string(id) + ", 'x')");
    for (WireClient* client : {&first, &second}) {
      while (!holds(client->next(), "\"id\":" + std::to_string(id))) {
      }
    }
    eventually([&] {
      return street.database.value("select pg_sequence_last_value('pgtide.armed') = 0") == "t";
    });
  }
  const Runner third(street, "three");
  third.wait_until_ready();
  street.database.run("create table late (id int primary key)");
  CHECK(on(street.database, street.folder, {"watch", "late"}).code == 0);
  CHECK(leader.readiness().status == 200);
  idle.run("rollback");
  // And it sleeps again once there is room.
  eventually([&] {
    return street.database.value("select pg_sequence_last_value('pgtide.armed') > 0") == "t";
  }, patience);
  hear(first, street.database, 6);
}

TEST_CASE("notify: a flood on our channels keeps no bridge from its ticks") {
  Street street;
  const Runner leader(street, "one");
  leader.wait_until_ready();
  eventually([&] { return leader.leads(); });
  const Runner follower(street, "two");
  follower.wait_until_ready();
  WireClient client = subscriber(follower);
  Session flooder = street.database.session(street.stranger.name());
  const auto queries = [](const Runner& one) {
    return metric_of(one.address, "pgtide_database_queries_total");
  };
  const double before = queries(leader) + queries(follower);
  const int rounds = 400;
  for (int round = 1; round <= rounds; ++round) {
    flooder.run(
        "select pg_notify('pgtide_catalog', i::text), pg_notify('pgtide_wake', 'follower'), "
        "pg_notify('pgtide_tick', 'bye') from generate_series(1, 50) i");
    if (round % 100 == 0) hear(client, street.database, round);
  }
  // A refresh of the catalog, six statements, for each of 400 bursts and each bridge would be
  // 4,800 of them alone.
  CHECK(queries(leader) + queries(follower) - before < 4'000);
  CHECK(leader.readiness().status == 200);
  CHECK(follower.readiness().status == 200);
}
