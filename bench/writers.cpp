// What capture costs those who write. Three databases of one cluster, with the same table:
//
//   plain     nothing watches it
//   captured  pgtide watches it; a bridge runs, with one subscriber
//   notified  a row trigger calls pg_notify with the row as JSON, as small bridges do; one listens
//
// A disk's mood changes within minutes, so the three take turns within each round and only figures
// of one round are compared: what counts is the median of the rounds' ratios.

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <thread>

#include "support/pgbench.hpp"
#include "support/readers.hpp"
#include "support/rig.hpp"
#include "support/samples.hpp"
#include "support/sql.hpp"

namespace pgtide::bench {
namespace {

constexpr unsigned posts = 100'000;
constexpr unsigned warm_up_clients = 16;
constexpr std::array<const char*, 3> databases = {"plain", "captured", "notified"};

constexpr const char* notify_trigger =
    "create function notify_row() returns trigger language plpgsql as $$ begin "
    "perform pg_notify('posts', row_to_json(new)::text); return null; end $$; "
    "create trigger notify_row after insert or update or delete on posts "
    "for each row execute function notify_row()";

struct Workload {
  std::string name;
  std::string script;
};

std::vector<Workload> workloads() {
  const std::string any_post = "\\set id random(1, " + std::to_string(posts) + ")\n";
  const std::string update =
      "update posts set likes = likes + 1, updated_at = now() where id = :id;\n";
  return {{"update", any_post + update},
          {"lock first", any_post + "begin;\nselect likes from posts where id = :id for update;\n" +
                             update + "commit;\n"},
          {"upsert", any_post +
                         "insert into posts (id, author_id, title, body) "
                         "values (:id, 1, 'A post', 'Its text') on conflict (id) do update "
                         "set likes = posts.likes + 1, updated_at = now();\n"}};
}

// Takes what is sent, on a thread of its own, as long as it lives.
class Background {
 public:
  template <class Take>
  explicit Background(Take take) : thread_([this, take] {
    try {
      while (!stopping_) take();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "writers: %s\n", error.what());
    }
  }) {}
  ~Background() {
    stopping_ = true;
    thread_.join();
  }
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

 private:
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

struct Stage {
  Rig& rig;
  const BridgeProgram& bridge;
  unsigned seconds;
};

// The database as every turn finds it: caught up, no dead rows, nothing left to write out.
void prepare(const Stage& stage, const std::string& database) {
  if (database == "captured") stage.bridge.wait_until_idle();
  Sql sql(stage.rig.url(database));
  sql.run("vacuum posts");
  sql.run("checkpoint");
}

using Turns = std::map<std::string, double>;  // by database

// After a checkpoint the first change of each page writes the whole page to the WAL, and the slower
// a database, the fewer commits share that: so a turn begins when the pages have been written.
Turns commit_rates(const Stage& stage, const Workload& workload, unsigned clients) {
  Turns rates;
  for (const std::string database : databases) {
    prepare(stage, database);
    const auto rate = [&](unsigned writers, unsigned seconds) {
      return run_pgbench({stage.rig.url(database), workload.script, writers, seconds},
                         stage.rig.folder(), "pgbench").per_second;
    };
    rate(warm_up_clients, std::max(stage.seconds / 2, 1U));
    rates[database] = rate(clients, stage.seconds);
  }
  return rates;
}

// One statement over the whole table, in milliseconds.
Turns bulk_times(const Stage& stage) {
  Turns times;
  for (const std::string database : databases) {
    prepare(stage, database);
    Sql sql(stage.rig.url(database));
    const auto began = std::chrono::steady_clock::now();
    sql.run("update posts set likes = likes + 1");
    times[database] = std::chrono::duration<double, std::milli>(
        std::chrono::steady_clock::now() - began).count();
  }
  return times;
}

// The medians of each, and those of the ratios to `plain` within a round.
void add_turns(Report& report, const std::string& name, const std::vector<Turns>& rounds,
               const std::string& unit) {
  for (const std::string database : databases) {
    Samples values, ratios;
    for (const Turns& turns : rounds) {
      values.add(turns.at(database));
      ratios.add(100 * turns.at(database) / turns.at("plain"));
    }
    report.add(name + ": " + database, values.median(), unit);
    if (database == "plain") continue;
    report.add(name + ": " + database + ", of plain", ratios.median(), "%");
    report.add(name + ": " + database + ", of plain, least", ratios.quantile(0), "%");
    report.add(name + ": " + database + ", of plain, most", ratios.max(), "%");
  }
}

void measure_all(const Stage& stage, const BenchOptions& options, unsigned rounds,
                 Report& report) {
  const auto wanted = [&](const std::string& name) {
    return options.only.empty() || options.only == name;
  };
  for (const Workload& workload : workloads()) {
    if (!wanted(workload.name)) continue;
    for (const unsigned clients : {1U, 16U}) {
      std::vector<Turns> turns;
      for (unsigned i = 0; i < rounds; ++i) {
        turns.push_back(commit_rates(stage, workload, clients));
      }
      add_turns(report, workload.name + ", " + std::to_string(clients) + " clients", turns,
                "commits/s");
    }
  }
  if (!wanted("bulk")) return;
  std::vector<Turns> turns;
  for (unsigned i = 0; i < rounds; ++i) turns.push_back(bulk_times(stage));
  add_turns(report, "bulk, 100,000 rows", turns, "ms");
}

void run(const BenchOptions& options) {
  Report report("writers", "what capture costs those who write");
  const unsigned rounds = choose(options.rounds, options, 5, 1);
  Rig rig(options);
  for (const char* database : databases) rig.make_database(database, posts);
  rig.watch("captured");
  Sql(rig.url("notified")).run(notify_trigger);
  const auto bridge = rig.start_bridge("captured");
  Readers reader(bridge->address(), 1, "posts.*");
  Sql listener(rig.url("notified"));
  listener.run("listen posts");
  const Background reading([&] {
    reader.poll(std::chrono::milliseconds(100), [](std::size_t, std::string_view) {});
  });
  const Background listening([&] { listener.take_notifications(100); });

  const Stage stage{rig, *bridge, choose(options.seconds, options, 10, 3)};
  rig.describe(report);
  report.describe("single-row transactions on 100,000 posts by pgbench, prepared statements, " +
                  std::to_string(stage.seconds) + " s a turn after half as long to warm up");
  report.describe("medians of " + std::to_string(rounds) +
                  " rounds in which plain, captured, notified take turns; ratios within a round");
  measure_all(stage, options, rounds, report);
  report.print(options);
}

}  // namespace
}  // namespace pgtide::bench

int main(int argc, char** argv) {
  return pgtide::bench::run_bench(argc, argv, "Commit rates with and without capture",
                                  pgtide::bench::run);
}
