// What a bridge costs while nothing changes: statements, WAL, CPU. The same minute is measured
// without it first, for PostgreSQL is not still either.

#include <memory>
#include <thread>

#include "support/readers.hpp"
#include "support/rig.hpp"
#include "support/sql.hpp"

namespace pgtide::bench {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr unsigned posts = 1000;
constexpr seconds settle_time{5};

// Asked from another database, so that the questions are not counted.
struct Reading {
  double transactions = 0;
  double wal_bytes = 0;
  double postgres_cpu_seconds = 0;
  double bridge_cpu_seconds = 0;
  double queries = 0;
};

Reading read_now(Sql& admin, const Rig& rig, const BridgeProgram* bridge) {
  Reading reading;
  reading.transactions = admin.number(
      "select xact_commit + xact_rollback from pg_stat_database where datname = 'app'");
  reading.wal_bytes = admin.number("select pg_current_wal_lsn() - '0/0'");
  reading.postgres_cpu_seconds = family_cpu_seconds(rig.cluster().pid());
  if (bridge != nullptr) {
    reading.queries = bridge->metric("pgtide_database_queries_total");
    reading.bridge_cpu_seconds = bridge->usage().cpu_seconds;
  }
  return reading;
}

// What happened from `from` to `to`, per second.
Reading rate(const Reading& from, const Reading& to, seconds time) {
  const auto per_second = [time](double before, double after) {
    return (after - before) / static_cast<double>(time.count());
  };
  return {per_second(from.transactions, to.transactions),
          per_second(from.wal_bytes, to.wal_bytes),
          per_second(from.postgres_cpu_seconds, to.postgres_cpu_seconds),
          per_second(from.bridge_cpu_seconds, to.bridge_cpu_seconds),
          per_second(from.queries, to.queries)};
}

void add(Report& report, const std::string& when, const Reading& rate) {
  report.add(when + ": transactions", rate.transactions, "per s");
  report.add(when + ": WAL", 60 * rate.wal_bytes, "bytes per min");
  report.add(when + ": CPU of PostgreSQL", 100 * rate.postgres_cpu_seconds, "% of a core");
}

// Pings are answered meanwhile, as by any client.
void wait(seconds time, Readers* reader) {
  const auto until = steady_clock::now() + time;
  while (steady_clock::now() < until) {
    if (reader == nullptr) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    } else {
      reader->poll(std::chrono::milliseconds(100), [](std::size_t, std::string_view) {});
    }
  }
}

void run(const BenchOptions& options) {
  Report report("idle", "what the bridge costs while nothing changes");
  const seconds time{choose(options.seconds, options, 120, 10)};
  Rig rig(options);
  rig.make_database("app", posts);
  rig.watch("app");
  Sql admin(rig.url("postgres"));
  admin.run("alter system set autovacuum = off");
  admin.run("select pg_reload_conf()");
  rig.describe(report);
  report.describe("autovacuum=off, one subscriber of posts.*, no change for " +
                  std::to_string(time.count()) + " s; without means: no bridge runs");

  const auto measure = [&](const std::string& when, const BridgeProgram* bridge, Readers* reader) {
    wait(settle_time, reader);
    const Reading from = read_now(admin, rig, bridge);
    wait(time, reader);
    const Reading to = read_now(admin, rig, bridge);
    const Reading each = rate(from, to, time);
    add(report, when, each);
    if (bridge == nullptr) return;
    report.add(when + ": statements of the bridge", each.queries, "per s");
    report.add(when + ": CPU of the bridge", 100 * each.bridge_cpu_seconds, "% of a core");
    report.add(when + ": memory of the bridge",
               static_cast<double>(bridge->usage().resident_bytes) / 1e6, "MB");
  };
  measure("without", nullptr, nullptr);
  const auto bridge = rig.start_bridge("app");
  Readers reader(bridge->address(), 1, "posts.*");
  measure("with", bridge.get(), &reader);
  report.print(options);
}

}  // namespace
}  // namespace pgtide::bench

int main(int argc, char** argv) {
  return pgtide::bench::run_bench(argc, argv, "The cost of an idle bridge", pgtide::bench::run);
}
