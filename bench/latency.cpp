// How long a sleeping bridge takes: from COMMIT's return on the writer to the frame in the client,
// by one clock, in one thread that does nothing else. The pauses are random, so that no sample
// falls in step with a poll or a lease, and long enough for the bridge to have gone to sleep.

#include <random>
#include <thread>

#include "support/readers.hpp"
#include "support/rig.hpp"
#include "support/samples.hpp"
#include "support/sql.hpp"

namespace pgtide::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr unsigned posts = 1000;
constexpr std::chrono::seconds frame_time_max{10};

double milliseconds_since(steady_clock::time_point then) {
  return std::chrono::duration<double, std::milli>(steady_clock::now() - then).count();
}

// One commit, and the time until its frame is here.
double measure(Sql& writer, Readers& reader, unsigned id) {
  writer.run("begin");
  writer.run("update posts set likes = likes + 1 where id = " + std::to_string(id));
  writer.run("commit");
  const auto committed = steady_clock::now();
  double latency = -1;
  while (latency < 0) {
    reader.poll(milliseconds(100), [&](std::size_t, std::string_view text) {
      if (is_record_event(text) && record_number(text) == id) {
        latency = milliseconds_since(committed);
      }
    });
    if (steady_clock::now() - committed > frame_time_max) give_up("a change did not arrive");
  }
  return latency;
}

void run(const BenchOptions& options) {
  Report report("latency", "from COMMIT's return to the frame, on an idle bridge");
  const unsigned count = choose(options.rounds, options, 400, 20);
  Rig rig(options);
  rig.make_database("app", posts);
  rig.watch("app");
  const auto bridge = rig.start_bridge("app");
  Readers reader(bridge->address(), 1, "posts.*");
  Sql writer(rig.url("app"));

  std::mt19937 random(1);
  std::uniform_int_distribution<int> pause_ms(200, options.quick ? 600 : 3000);
  std::uniform_int_distribution<unsigned> any_post(1, posts);
  Samples samples;
  for (unsigned i = 0; i < count; ++i) {
    std::this_thread::sleep_for(milliseconds(pause_ms(random)));
    samples.add(measure(writer, reader, any_post(random)));
  }
  rig.describe(report);
  report.describe("one writer, single-row updates, one subscriber of posts.*");
  report.describe(std::to_string(count) + " samples, 0.2 to " + (options.quick ? "0.6" : "3") +
                  " s apart at random");
  report.add("p50", samples.median(), "ms");
  report.add("p90", samples.quantile(0.90), "ms");
  report.add("p99", samples.quantile(0.99), "ms");
  report.add("most", samples.max(), "ms");
  report.print(options);
}

}  // namespace
}  // namespace pgtide::bench

int main(int argc, char** argv) {
  return pgtide::bench::run_bench(argc, argv, "Commit to frame on an idle bridge",
                                  pgtide::bench::run);
}
