// What a delivery costs: bursts of 64 rows to 1,000 connections, one burst after the other. CPU
// seconds per million deliveries is the steadiest figure a busy machine gives.

#include "support/readers.hpp"
#include "support/rig.hpp"
#include "support/samples.hpp"
#include "support/sql.hpp"

namespace pgtide::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr unsigned burst_rows = 64;
constexpr std::size_t readers_count = 1000;
constexpr std::chrono::seconds burst_time_max{30};

// One burst until everyone has it; seconds from its commit.
double measure(Sql& writer, Readers& readers) {
  writer.run("update posts set likes = likes + 1 where id <= " + std::to_string(burst_rows));
  const auto committed = steady_clock::now();
  std::size_t arrived = 0;
  while (arrived < burst_rows * readers.size()) {
    readers.poll(milliseconds(100), [&](std::size_t, std::string_view text) {
      arrived += is_record_event(text) ? 1U : 0U;
    });
    if (steady_clock::now() - committed > burst_time_max) give_up("a burst did not arrive whole");
  }
  return std::chrono::duration<double>(steady_clock::now() - committed).count();
}

void run(const BenchOptions& options) {
  Report report("fan_out", "bursts of 64 rows to 1,000 connections");
  const unsigned bursts = choose(options.rounds, options, 300, 20);
  Rig rig(options);
  rig.make_database("app", 1000);
  rig.watch("app");
  const auto bridge = rig.start_bridge("app");
  const Usage empty = bridge->usage();
  Readers readers(bridge->address(), readers_count, "posts.*");
  Sql writer(rig.url("app"));
  measure(writer, readers);

  const Usage before = bridge->usage();
  Samples seconds;
  for (unsigned i = 0; i < bursts; ++i) seconds.add(measure(writer, readers));
  const Usage after = bridge->usage();

  const double millions = bursts * burst_rows * static_cast<double>(readers.size()) / 1e6;
  rig.describe(report);
  report.describe("one statement of 64 rows after the other, each when all " +
                  std::to_string(readers.size()) + " subscribers of posts.* had the one before");
  report.describe(std::to_string(bursts) + " bursts, one reader thread");
  report.add("CPU of the bridge", (after.cpu_seconds - before.cpu_seconds) / millions,
             "s per million deliveries");
  report.add("a burst, p50", seconds.median() * 1e3, "ms");
  report.add("a burst, p99", seconds.quantile(0.99) * 1e3, "ms");
  report.add("deliveries", burst_rows * static_cast<double>(readers.size()) / seconds.median(),
             "per s");
  report.add("memory", static_cast<double>(before.resident_bytes - empty.resident_bytes) / 1024 /
                           static_cast<double>(readers.size()), "KiB per connection");
  report.print(options);
}

}  // namespace
}  // namespace pgtide::bench

int main(int argc, char** argv) {
  return pgtide::bench::run_bench(argc, argv, "The cost of a delivery", pgtide::bench::run);
}
