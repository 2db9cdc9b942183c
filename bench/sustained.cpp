// How many changes a second get through to one subscriber, with writers, PostgreSQL, bridge and
// subscriber on the same cores. A rate counts only while the lag stays bounded: so each is offered
// for a while, and the report says how far behind the subscriber was, and how long it took to have
// the rest once the writers had stopped.

#include <algorithm>
#include <future>
#include <sstream>

#include "support/pgbench.hpp"
#include "support/readers.hpp"
#include "support/rig.hpp"
#include "support/samples.hpp"
#include "support/sql.hpp"

namespace pgtide::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr unsigned clients = 16;  // their commits share the flushes of the WAL, as in life
constexpr unsigned posts_per_client = 2'500;
constexpr std::uint64_t sample_every = 16;
constexpr std::chrono::seconds silence_max{20};

struct Load {
  unsigned rows = 10;   // of one transaction
  double rate = 0;      // changes per second that are offered; 0: as many as the writers can
};

std::string name_of(const Load& load) {
  const std::string offered =
      load.rate > 0 ? std::to_string(static_cast<unsigned>(load.rate)) + "/s" : "unthrottled";
  return std::to_string(load.rows) + " rows, " + offered;
}

// What has arrived, and how old it was.
class Arrivals {
 public:
  void note(std::string_view text) {
    if (!is_record_event(text)) {
      ++other_frames_;
      return;
    }
    last_ = steady_clock::now();
    if (count_ == 0) first_ = last_;
    if (++count_ % sample_every == 0) lag_ms_.add(age_ms(text));
  }
  std::uint64_t count() const { return count_; }
  std::uint64_t other_frames() const { return other_frames_; }
  steady_clock::time_point last() const { return last_; }
  double per_second() const {
    const double time = std::chrono::duration<double>(last_ - first_).count();
    return time > 0 ? static_cast<double>(count_) / time : 0;
  }
  const Samples& lag_ms() const { return lag_ms_; }

 private:
  std::uint64_t count_ = 0;
  std::uint64_t other_frames_ = 0;
  steady_clock::time_point first_{}, last_{};
  Samples lag_ms_;
};

struct Written {
  double changes = 0;
  steady_clock::time_point ended{};
};

Written write(const Rig& rig, const Load& load, unsigned seconds) {
  const double rate = load.rate / load.rows;
  const PgbenchResult result = run_pgbench(
      {rig.url("app"), update_script(posts_per_client, load.rows), clients, seconds, rate},
      rig.folder(), "writers");
  return {result.transactions * load.rows, steady_clock::now()};
}

// Until all that was written is here, or nothing comes any more.
Arrivals read_while(Readers& reader, std::future<Written>& writing, Written& written) {
  Arrivals arrivals;
  auto heard = steady_clock::now();
  bool ended = false;
  while (!ended || static_cast<double>(arrivals.count()) < written.changes) {
    const bool any = reader.poll(milliseconds(20), [&](std::size_t, std::string_view text) {
      arrivals.note(text);
    });
    if (any) heard = steady_clock::now();
    if (!ended && writing.wait_for(milliseconds(0)) == std::future_status::ready) {
      written = writing.get();
      ended = true;
    }
    if (ended && steady_clock::now() - heard > silence_max) break;
  }
  return arrivals;
}

// CPU seconds so far: of the bridge, of PostgreSQL, and of its backends that serve the bridge.
struct Cpu {
  double bridge = 0;
  double postgres = 0;
  double backends = 0;
};

Cpu read_cpu(const Rig& rig, const BridgeProgram& bridge) {
  std::istringstream pids(Sql(rig.url("app")).value(
      "select coalesce(string_agg(pid::text, ' '), '') from pg_stat_activity "
      "where application_name = 'pgtide'"));
  Cpu cpu{bridge.usage().cpu_seconds, family_cpu_seconds(rig.cluster().pid())};
  for (pid_t pid = 0; pids >> pid;) cpu.backends += usage_of(pid).cpu_seconds;
  return cpu;
}

void add_cpu(Report& report, const std::string& name, const Cpu& used, double thousands) {
  report.add(name + "CPU of the bridge", used.bridge / thousands, "s per 1,000");
  report.add(name + "CPU of its backends", used.backends / thousands, "s per 1,000");
  report.add(name + "CPU of all of PostgreSQL", used.postgres / thousands, "s per 1,000");
}

void measure(const Rig& rig, const Load& load, unsigned seconds, Report& report) {
  const auto bridge = rig.start_bridge("app");
  Readers reader(bridge->address(), 1, "posts.*");
  const Cpu before = read_cpu(rig, *bridge);
  Written written;
  auto writing = std::async(std::launch::async, write, std::cref(rig), load, seconds);
  const Arrivals arrivals = read_while(reader, writing, written);
  const Cpu after = read_cpu(rig, *bridge);

  const std::string name = name_of(load) + ": ";
  const std::chrono::duration<double> rest = arrivals.last() - written.ended;
  report.add(name + "arrived", arrivals.per_second(), "changes/s");
  report.add(name + "missing", written.changes - static_cast<double>(arrivals.count()), "changes");
  report.add(name + "frames that are no events", static_cast<double>(arrivals.other_frames()), "");
  report.add(name + "lag p50", arrivals.lag_ms().median(), "ms");
  report.add(name + "lag p99", arrivals.lag_ms().quantile(0.99), "ms");
  report.add(name + "lag most", arrivals.lag_ms().max(), "ms");
  report.add(name + "the rest, after the writers ended", std::max(rest.count(), 0.0), "s");
  add_cpu(report, name,
          {after.bridge - before.bridge, after.postgres - before.postgres,
           after.backends - before.backends},
          static_cast<double>(arrivals.count()) / 1000);
}

void run(const BenchOptions& options) {
  Report report("sustained", "changes per second through to one subscriber");
  const unsigned seconds = choose(options.seconds, options, 30, 5);
  Rig rig(options);
  rig.make_database("app", clients * posts_per_client);
  rig.watch("app");
  rig.describe(report);
  report.describe(std::to_string(clients) + " writers (pgbench), each updating so many rows in a "
                  "transaction of one statement, " + std::to_string(seconds) +
                  " s each, one subscriber of posts.*, everything on the same cores");
  report.describe("lag: from the change in the writer's transaction to the frame, of every " +
                  std::to_string(sample_every) + "th event");
  for (const unsigned rows : {10U, 100U}) {
    for (const double rate : {20'000.0, 0.0}) {
      const Load load{rows, rate};
      if (options.only.empty() || options.only == name_of(load)) {
        measure(rig, load, seconds, report);
      }
    }
  }
  report.print(options);
}

}  // namespace
}  // namespace pgtide::bench

int main(int argc, char** argv) {
  return pgtide::bench::run_bench(argc, argv, "Changes per second to one subscriber",
                                  pgtide::bench::run);
}
