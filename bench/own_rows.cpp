// Many users of whom each sees his own rows: every connection has a rule of its own, every change
// one receiver. The cost of a change must not grow with those who are not concerned.

#include <future>

#include "auth/token_maker.hpp"
#include "support/pgbench.hpp"
#include "support/readers.hpp"
#include "support/rig.hpp"
#include "support/samples.hpp"
#include "support/sql.hpp"

namespace pgtide::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr unsigned users = 10'000;
constexpr unsigned writers = 10;
constexpr unsigned rows_per_transaction = 10;
constexpr double changes_per_second = 2'000;
constexpr std::chrono::seconds silence_max{20};
constexpr const char* secret = "a secret of thirty-two bytes, or more";

BridgeSetup own_rows_only() {
  return {.rules = "version: 1\ncollections:\n  posts:\n    subscribe: authenticated\n"
                   "    where: string(record.author_id) == user.id\n",
          .flags = {"--auth.jwt.secret", secret}};
}

// The number behind the reader's is the user's, and the key of his only post.
std::string token_of(std::size_t reader) {
  Config::Auth auth;
  auth.jwt.secret = secret;
  const auto now = std::chrono::system_clock::now();
  return take(make_token(auth, {.user = std::to_string(reader + 1),
                                .now = now,
                                .expires_at = now + std::chrono::hours(1)}));
}

double write(const Rig& rig, unsigned seconds) {
  const PgbenchResult result =
      run_pgbench({rig.url("app"), update_script(users / writers, rows_per_transaction), writers,
                   seconds, changes_per_second / rows_per_transaction}, rig.folder(), "writers");
  return result.transactions * rows_per_transaction;
}

struct Arrivals {
  double count = 0;
  double strays = 0;  // events of somebody else's post
  Samples age;        // ms
  steady_clock::time_point last = steady_clock::now();
};

void read(Readers& readers, Arrivals& arrivals) {
  readers.poll(milliseconds(20), [&arrivals](std::size_t reader, std::string_view text) {
    arrivals.last = steady_clock::now();
    if (!is_record_event(text)) return;  // where a quiet connection's stream stands
    if (record_number(text) != reader + 1) {
      ++arrivals.strays;
      return;
    }
    ++arrivals.count;
    arrivals.age.add(age_ms(text));
  });
}

void run(const BenchOptions& options) {
  Report report("own_rows", "10,000 connections, each with a row rule of its own");
  const unsigned seconds = choose(options.seconds, options, 30, 3);
  Rig rig(options);
  rig.make_database("app", users);
  Sql(rig.url("app")).run("update posts set author_id = id");
  rig.watch("app");
  const auto bridge = rig.start_bridge("app", own_rows_only());
  const Usage empty = bridge->usage();
  Readers readers(bridge->address(), users, "posts.*", token_of);

  const Usage before = bridge->usage();
  auto writing = std::async(std::launch::async, write, std::cref(rig), seconds);
  Arrivals arrivals;
  while (writing.wait_for(milliseconds(0)) != std::future_status::ready) read(readers, arrivals);
  const double written = writing.get();
  while (arrivals.count < written && steady_clock::now() - arrivals.last < silence_max) {
    read(readers, arrivals);
  }
  const Usage after = bridge->usage();

  rig.describe(report);
  report.describe(std::to_string(writers) + " writers (pgbench), " +
                  std::to_string(rows_per_transaction) + " rows in a transaction, together " +
                  std::to_string(static_cast<unsigned>(changes_per_second)) +
                  " changes/s for " + std::to_string(seconds) + " s; each change has one receiver");
  report.describe("where: string(record.author_id) == user.id, users by JWT (HS256)");
  report.add("arrived", arrivals.count / seconds, "changes/s");
  report.add("missing", written - arrivals.count, "changes");
  report.add("strays", arrivals.strays, "events of somebody else's rows");
  report.add("from the change to the frame, p50", arrivals.age.median(), "ms");
  report.add("from the change to the frame, p99", arrivals.age.quantile(0.99), "ms");
  report.add("from the change to the frame, most", arrivals.age.max(), "ms");
  report.add("CPU of the bridge", (after.cpu_seconds - before.cpu_seconds) / arrivals.count * 1e3,
             "s per 1,000 changes");
  report.add("memory", static_cast<double>(before.resident_bytes - empty.resident_bytes) / 1024 /
                           users, "KiB per connection");
  report.print(options);
}

}  // namespace
}  // namespace pgtide::bench

int main(int argc, char** argv) {
  return pgtide::bench::run_bench(argc, argv, "Many users, each with his own rows",
                                  pgtide::bench::run);
}
