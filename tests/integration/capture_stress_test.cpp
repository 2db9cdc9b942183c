#include "integration/capture_ledger.hpp"

// The promise that everything else rests on: whatever happens to connections, servers and bridges,
// each committed change comes once, and those of one record in order. PGTIDE_TEST_SECONDS makes it
// run longer.

using namespace pgtide;
using namespace pgtide::test;
using namespace std::chrono_literals;

namespace {

class Trouble {
 public:
  Trouble(PrivatePostgres& server, const Database& database) : server_(server) {
    options_.url = database.url();
    options_.retention = 400ms;  // rotation runs all the time
    start();
  }

  Recorder sink;

  // One misfortune after another, for so long.
  void make(std::chrono::seconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    for (unsigned turn = 0; std::chrono::steady_clock::now() < end; ++turn) {
      const std::size_t before = sink.count();
      // Something must have come through in between, or nothing is tested.
      eventually([&] { return sink.count() > before + 50; }, 30s,
                 [&] { return source_->status().fault; });
      switch (turn % 5) {
        case 0: end_backends("application_name = 'pgtide'"); break;
        case 1: again(); break;
        case 2: end_backends("application_name = 'pgtide' order by random() limit 1"); break;
        case 3: REQUIRE(server_.restart()); break;
        case 4: end_backends("application_name <> 'pgtide' and backend_type = 'client backend' and "
                             "pid <> pg_backend_pid() order by random() limit 2");
          break;
      }
    }
  }
  SourceStatus status() const { return source_->status(); }

 private:
  void start() {
    source_ = make_postgres_source(options_);
    source_->start(sink);
  }
  void again() {
    source_->stop();
    options_.after = sink.position();
    start();
  }
  void end_backends(const std::string& which) {
    try {
      pqxx::connection connection(options_.url);
      pqxx::nontransaction work(connection);
      work.exec("select pg_terminate_backend(pid) from (select pid from pg_stat_activity where " +
                which + ") victims");
    } catch (const std::exception&) {
    }
  }

  PrivatePostgres& server_;
  SourceOptions options_;
  std::unique_ptr<ChangeSource> source_;
};

void run_through(const std::vector<std::string>& settings, Ledger::Options kind) {
  PrivatePostgres server = make_cluster(settings);
  {
    InstalledDatabase database("", server);
    Ledger ledger(database, kind);
    Trouble trouble(server, database);
    ledger.start();
    trouble.make(std::chrono::seconds(figure("SECONDS", 6)));
    ledger.stop();
    Session session(database.url());
    std::string wrong = "nothing yet";
    eventually([&] { return (wrong = Ledger::audit(session, trouble.sink.events())).empty(); },
               20s, [&] { return wrong + "; " + trouble.status().fault; });
    CHECK(trouble.sink.broken() == std::vector<std::string>{});
    for (const auto& begin : trouble.sink.begins()) CHECK(!begin.why.has_value());
    MESSAGE("transactions ", ledger.committed(), ", events ", trouble.sink.count(), ", begun ",
            trouble.sink.begins().size(), " times, reconnected ", trouble.status().reconnects,
            ", horizon ", *session.value("select horizon from pgtide.meta"));
    CHECK(session.value("select horizon > 0 from pgtide.meta") == "t");
  }
}

}  // namespace

TEST_CASE("capture: every change comes once and in order through losses, restarts and rotation") {
  run_through({}, {});
}

TEST_CASE("capture: prepared transactions come once and in order, without notifications") {
  run_through({"max_prepared_transactions=64"}, {true, 8});
}
