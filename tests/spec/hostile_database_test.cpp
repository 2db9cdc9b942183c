#include <doctest/doctest.h>

#include <csignal>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "capture/schema.hpp"
#include "support/odd_clock.hpp"
#include "support/running_bridge.hpp"
#include "support/serving.hpp"
#include "support/text.hpp"

// The program over a database that is away, is another than it was, or refuses it: clients stay
// connected, /readyz and `pgtide status` say what is wrong and how to mend it, and when it is
// mended the stream goes on by itself, with every change once.
using namespace pgtide;
using namespace pgtide::test;
using namespace std::chrono_literals;

namespace {

std::string fault_in(const std::string& address) {
  const auto answer = nlohmann::json::parse(http(address, "GET /readyz").body);
  return answer.value("fault", "");
}

ProgramEnd on(const Stage& stage, const std::vector<std::string>& arguments,
              const std::string& url = "") {
  return run_program(arguments, {.environment = {"DATABASE_URL=" +
                                                 (url.empty() ? stage.database.url() : url)},
                                 .folder = stage.folder.path("")});
}

// The files that install runs, to be run as one transaction with what follows: a table that is
// unwatched for a moment is closed, and its subscribers are refused.
std::string everything_in(const std::string& folder) {
  std::set<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(PGTIDE_SOURCE_DIR) + "/" + folder))
    files.insert(entry.path());
  std::string text;
  for (const auto& file : files) text += file_text(file);
  return text;
}

// A server of its own, the program on it, and a client that stays for all that happens.
struct Ordeal {
  Ordeal() : server(make_cluster()), stage(std::in_place, server) {
    serving.emplace(*stage, "port");
    client.emplace(serving->address());
    client->subscribe({"posts.*"});
  }
  ~Ordeal() {
    serving.reset();
    stage.reset();
  }
  void run(const std::string& sql) { Session(stage->database.url()).run(sql); }
  void insert(int id) { run("insert into posts values (" + std::to_string(id) + ", 't')"); }
  void end_sessions() {
    Session(server.url()).run(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgtide'");
  }
  void wait_until_ready() {
    eventually([&] { return http(serving->address(), "GET /readyz").status == 200; }, patience,
               [&] { return fault_in(serving->address()); });
  }
  // The next frame is that post, and so nothing came before it.
  void hear(int id) {
    const auto frame = client->next_within(patience);
    REQUIRE(frame.has_value());
    CHECK(member(*frame, "type") == "record_event");
    CHECK(member(*frame, "record_id") == std::to_string(id));
  }

  PrivatePostgres server;
  std::optional<Stage> stage;
  std::optional<Serving> serving;
  std::optional<Subscriber> client;
};

struct Outage {
  const char* why;
  void (*befall)(Ordeal&);
  const char* fault;     // in /readyz, and in the log
  const char* status;    // what `pgtide status` says
  void (*mend)(Ordeal&);
};

const Outage outages[] = {
    {"the server is stopped", [](Ordeal& here) { REQUIRE(here.server.stop().ok()); },
     "connection", "connection to server",
     [](Ordeal& here) { REQUIRE(here.server.start().ok()); }},
    {"it crashes", [](Ordeal& here) { REQUIRE(here.server.kill().ok()); }, "connection",
     "connection to server", [](Ordeal& here) { REQUIRE(here.server.start().ok()); }},
    {"its postmaster is killed with SIGKILL",
     [](Ordeal& here) {
       ::kill(here.server.pid(), SIGKILL);
       REQUIRE(here.server.kill().ok());
     },
     "connection", "connection to server",
     [](Ordeal& here) {
       // Until the last of its processes has ended, another one refuses to start.
       eventually([&] { return here.server.start().ok(); }, patience);
     }},
    {"it comes back as a standby",
     [](Ordeal& here) {
       REQUIRE(here.server.stop().ok());
       std::ofstream(here.server.directory() + "/data/standby.signal") << "";
       REQUIRE(here.server.start().ok());
     },
     "the server is a standby; give the address of the primary in database.url",
     "the server is a standby; give the address of the primary in database.url",
     [](Ordeal& here) { Session(here.server.url()).run("select pg_promote()"); }},
    {"its schema is a newer program's",
     [](Ordeal& here) {
       here.run("update pgtide.meta set schema_version = 1000");
       here.end_sessions();
     },
     "is version 1000, newer than this program; use a newer pgtide",
     "is version 1000, newer than this program; use a newer pgtide",
     [](Ordeal& here) {
       here.run("update pgtide.meta set schema_version = " + std::to_string(schema_version));
     }},
    {"its schema is an older program's",
     [](Ordeal& here) {
       here.run("update pgtide.meta set schema_version = 0");
       here.end_sessions();
     },
     "run: pgtide install", "run: pgtide install",
     [](Ordeal& here) { CHECK(on(*here.stage, {"install"}).code == 0); }},
};

}  // namespace

TEST_CASE("database: whatever becomes of it, a client stays and gets every change once") {
  Ordeal here;
  int id = 0;
  for (const Outage& outage : outages) {
    const std::string why = outage.why;
    CAPTURE(why);
    here.insert(++id);
    here.hear(id);
    outage.befall(here);
    eventually([&] { return holds(fault_in(here.serving->address()), outage.fault); }, patience,
               [&] { return fault_in(here.serving->address()); });
    CHECK(http(here.serving->address(), "GET /readyz").status == 503);
    CHECK(http(here.serving->address(), "GET /healthz").status == 200);
    eventually([&] { return holds(here.serving->program->errors(), outage.fault); });
    const ProgramEnd status = on(*here.stage, {"status"});
    CHECK(status.code == 1);
    CAPTURE(status.output + status.errors);
    CHECK(holds(status.output + status.errors, outage.status));
    outage.mend(here);
    eventually(
        [&] { return Session(here.server.url()).value("select pg_is_in_recovery()") == "f"; });
    here.insert(++id);
    here.hear(id);
    here.wait_until_ready();
  }
  CHECK(here.serving->program->running());
  CHECK(metric_of(here.serving->address(), "pgtide_connections_opened_total") == 1);
  CHECK(metric_of(here.serving->address(), "pgtide_connections_closed_total") == 0);
}

TEST_CASE("database: a schema dropped under a client costs what was not sent, and it is told") {
  Stage stage;
  Serving serving(stage, "port");
  Subscriber client(serving.address());
  client.subscribe({"posts.*"});
  // Who drops a schema in use may be told of a deadlock, and drops it again.
  Session dropping = stage.database.session();
  eventually([&] { return dropping.attempt("drop schema pgtide cascade").ok(); });
  eventually([&] { return holds(fault_in(serving.address()), "run: pgtide install"); }, patience);
  const ProgramEnd status = on(stage, {"status"});
  CHECK(status.code == 1);
  CHECK(holds(status.errors, "has no pgtide schema; run: pgtide install"));
  stage.database.run("insert into posts values (1, 'unseen')");
  stage.database.run(everything_in("sql") + "select pgtide.watch('posts')");
  const std::string told = client.next();
  CHECK(member(told, "type") == "resync_required");
  CHECK(member(told, "reason") == "log_lost");
  eventually([&] { return http(serving.address(), "GET /readyz").status == 200; }, patience);
  stage.database.run("insert into posts values (2, 'seen')");
  CHECK(member(client.next(), "record_id") == "2");
}

TEST_CASE("database: a role without rights is told the GRANT, by each command, and then served") {
  const Role role;
  Stage stage;
  const std::string url = stage.database.url(role.name());
  const std::string grant = "GRANT postgres TO " + role.name() + ";";
  struct Case {
    std::vector<std::string> arguments;
    std::string says;
  };
  const Case cases[] = {
      {{"status"}, grant},
      {{"check"}, grant},
      {{"install"}, grant},
      {{"uninstall"}, "GRANT"},
      {{"watch", "posts"}, "GRANT"},
      {{"broadcast", "news", "1"}, "GRANT EXECUTE ON FUNCTION pgtide_api.broadcast"},
  };
  for (const Case& one : cases) {
    const ProgramEnd end = on(stage, one.arguments, url);
    CAPTURE(one.arguments.front());
    CAPTURE(end.errors);
    CHECK(end.code == 1);
    CHECK(holds(end.errors, one.says));
  }
  const std::string file = stage.folder.path("port");
  Program bridge(PGTIDE_PROGRAM,
                 {"run", "--server.listen", "127.0.0.1:0", "--server.port-file", file},
                 {.environment = {"DATABASE_URL=" + url}, .folder = stage.folder.path("")});
  eventually([&] { return !first_line(file).empty(); }, patience);
  const std::string address = first_line(file);
  eventually([&] { return holds(fault_in(address), grant); }, patience,
             [&] { return fault_in(address); });
  eventually([&] { return holds(bridge.errors(), grant); });
  stage.database.run(grant);
  eventually([&] { return http(address, "GET /readyz").status == 200; }, patience,
             [&] { return fault_in(address); });
  Subscriber client(address);
  client.subscribe({"posts.*"});
  stage.database.run("insert into posts values (1, 't')");
  CHECK(member(client.next(), "record_id") == "1");
}

TEST_CASE("database: a role that may not connect, and a schema it may not make, name the GRANT") {
  const Role role;
  Stage stage;
  stage.database.run("revoke connect on database " + stage.database.name() + " from public");
  const ProgramEnd end = on(stage, {"status"}, stage.database.url(role.name()));
  CHECK(end.code == 1);
  CHECK(holds(end.errors, "; GRANT CONNECT ON DATABASE"));
  const Database empty;
  const ProgramEnd install = on(stage, {"install"}, empty.url(role.name()));
  CHECK(install.code == 1);
  CHECK(holds(install.errors,
              "GRANT CREATE ON DATABASE " + empty.name() + " TO " + role.name() + ";"));
}

TEST_CASE("database: what it sets for its applications does not end install, watch and status") {
  Database database;
  database.run("create table posts (id int primary key)");
  Session holder = database.session();
  for (const char* setting : {"statement_timeout = '300ms'", "lock_timeout = '200ms'",
                              "idle_in_transaction_session_timeout = '1ms'",
                              "default_transaction_read_only = on"})
    holder.run("alter database " + database.name() + " set " + setting);
  const ProgramOptions options{.environment = {"DATABASE_URL=" + database.url()}};
  const auto run = [&](const std::vector<std::string>& arguments) {
    const ProgramEnd end = run_program(arguments, options);
    CAPTURE(arguments.front());
    CAPTURE(end.errors);
    CHECK(end.code == 0);
  };
  run({"install"});
  // It waits for longer than all of these.
  holder.run("begin; lock table posts in share row exclusive mode");
  Program watch(PGTIDE_PROGRAM, {"watch", "posts"}, options);
  Session observer(cluster().url());
  eventually([&] {
    return !watch.running() ||
           observer.value("select exists (select from pg_stat_activity where datname = '" +
                          database.name() + "' and wait_event_type = 'Lock' and "
                          "clock_timestamp() - query_start > interval '500 ms')") == "t";
  });
  holder.run("commit");
  const ProgramEnd end = watch.wait();
  CHECK_MESSAGE(end.code == 0, end.errors);
  run({"status"});
  run({"unwatch", "posts"});
  run({"uninstall"});
}

TEST_CASE("database: a transaction open for an hour, and a clock that is ahead, are named") {
  OddClock clock;
  {
    Stage stage(*clock.server);
    Serving serving(stage, "port");
    Subscriber client(serving.address());
    client.subscribe({"posts.*"});
    Session report = stage.database.session();
    report.run("set application_name = 'report'");
    report.run("begin; insert into posts values (0, 'late')");
    const std::string who = "process " + std::to_string(report.pid()) + " ('report')";
    CHECK(holds(on(stage, {"status"}).output, "oldest     " + who + ", a transaction open for "));
    CHECK(holds(on(stage, {"doctor"}).output, "ok    transactions  none is open for long"));
    clock.set("+3600");
    const ProgramEnd doctor = on(stage, {"doctor"});
    CHECK(doctor.code == 1);
    CHECK(holds(doctor.output, "mend  transactions  " + who + " has one open for 360"));
    CHECK(holds(doctor.output, "s: the log cannot be emptied past it; end it"));
    CHECK(holds(doctor.output, "ahead of this machine's"));
    CHECK(holds(on(stage, {"status"}).output, who + ", a transaction open for 360"));
    // Nobody waits for it.
    Session(stage.database.url()).run("insert into posts values (1, 't')");
    CHECK(member(client.next(), "record_id") == "1");
    report.run("commit");
    CHECK(member(client.next(), "record_id") == "0");
    CHECK(http(serving.address(), "GET /readyz").status == 200);
    CHECK(holds(on(stage, {"doctor"}).output, "ok    transactions  none is open for long"));
  }
}

TEST_CASE("database: a log past its bound is named, with who keeps it from being emptied") {
  Stage stage;
  stage.folder.write("config.yaml", "resume:\n  log_bytes: 1048576\n");
  Serving serving(stage, "port");
  Session holder = stage.database.session();
  holder.run("set application_name = 'holder'");
  holder.run("begin; insert into posts values (0, 't')");
  const std::string wrong = "more than the 1.0 MB of resume.log_bytes";
  const std::string mend = "SELECT pg_terminate_backend(" + std::to_string(holder.pid()) + ");";
  const auto problems = [&] {
    return member(http(serving.address(), "GET /readyz").body, "problems");
  };
  int next = 0;
  eventually(
      [&] {
        if (next < 3000)
          stage.database.run("insert into posts select g, repeat('t', 1500) from generate_series(" +
                             std::to_string(next + 1) + ", " + std::to_string(next + 100) + ") g");
        next += 100;
        return holds(problems(), wrong);
      },
      patience, problems);
  CHECK(holds(problems(), mend));
  CHECK(metric_of(serving.address(), "pgtide_problems") == 1);
  CHECK(http(serving.address(), "GET /readyz").status == 200);  // the stream goes on
  for (const char* const command : {"status", "doctor"}) {
    CAPTURE(command);
    const ProgramEnd end = on(stage, {command});
    CHECK(end.code == 1);
    CHECK(holds(end.output, wrong));
    CHECK(holds(end.output, mend));
  }
  holder.run("rollback");
  eventually(
      [&] {
        stage.database.run("insert into posts values (" + std::to_string(++next) + ", 't')");
        return problems() == "[]";
      },
      patience, problems);
}

TEST_CASE("database: whoever may not see all transactions does not say that there are none") {
  const Role role;
  Stage stage;
  stage.database.run("grant postgres to " + role.name());
  const ProgramEnd blind = on(stage, {"doctor"}, stage.database.url(role.name()));
  CHECK(holds(blind.output, "note  transactions  none that role " + role.name() +
                                " sees is open for long; to see those of other roles: "
                                "GRANT pg_read_all_stats TO " + role.name() + ";"));
  const std::vector<std::string> status{"status"};
  CHECK(holds(on(stage, status, stage.database.url(role.name())).output,
              "oldest     none that role " + role.name() + " sees; to see those of other roles: "));
  stage.database.run("grant pg_read_all_stats to " + role.name());
  CHECK(holds(on(stage, status, stage.database.url(role.name())).output,
              "oldest     no transaction that writes is open"));
  const ProgramEnd seeing = on(stage, {"doctor"}, stage.database.url(role.name()));
  CHECK(holds(seeing.output, "ok    transactions  none is open for long"));
}
