// One UPDATE of 100,000 rows, to a hundred subscribers that read without pause and one that never
// reads. Whether each got every row, once and in the statement's order, is told from the ids: the
// table is fresh, so that the statement visits them as they were made, 1, 2, 3, ...

#include <future>

#include "support/readers.hpp"
#include "support/rig.hpp"
#include "support/sql.hpp"

namespace pgtide::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t readers_count = 100;
constexpr std::chrono::seconds silence_max{30};

double seconds_between(steady_clock::time_point from, steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

// What one subscriber has seen of the run 1, 2, 3, ... `rows`.
struct Progress {
  std::uint64_t last = 0;
  std::uint64_t out_of_order = 0;
  std::uint64_t other_frames = 0;  // resync_required above all
};

class Watchers {
 public:
  Watchers(const std::string& address, std::size_t count, std::uint64_t rows)
      : readers_(address, count, "posts.*"), progress_(count), rows_(rows) {}

  // Until each has the last row, or nothing has come for long.
  void read_all() {
    auto heard = steady_clock::now();
    while (done_ < readers_.size() && steady_clock::now() - heard < silence_max) {
      const bool any = readers_.poll(milliseconds(100), [this](std::size_t i, std::string_view t) {
        note(progress_[i], t);
      });
      if (any) heard = steady_clock::now();
    }
    ended_at_ = done_ == readers_.size() ? steady_clock::now() : heard;
  }

  std::uint64_t whole_and_in_order() const {
    std::uint64_t count = 0;
    for (const Progress& p : progress_) count += p.last == rows_ && p.out_of_order == 0 ? 1 : 0;
    return count;
  }
  std::uint64_t other_frames() const {
    std::uint64_t count = 0;
    for (const Progress& p : progress_) count += p.other_frames;
    return count;
  }
  steady_clock::time_point ended_at() const { return ended_at_; }
  double gigabytes() const { return static_cast<double>(readers_.bytes()) / 1e9; }

 private:
  void note(Progress& progress, std::string_view text) {
    if (!is_record_event(text)) {
      ++progress.other_frames;
      return;
    }
    const std::uint64_t id = record_number(text);
    if (id != progress.last + 1) ++progress.out_of_order;
    progress.last = id;
    if (id == rows_) ++done_;
  }

  Readers readers_;
  std::vector<Progress> progress_;
  const std::uint64_t rows_;
  std::size_t done_ = 0;
  steady_clock::time_point ended_at_{};
};

struct Update {
  steady_clock::time_point began{};
  steady_clock::time_point committed{};
};

Update update_all(const std::string& url) {
  Sql writer(url);
  Update update;
  update.began = steady_clock::now();
  writer.run("update posts set likes = likes + 1");
  update.committed = steady_clock::now();
  return update;
}

// Does the subscriber that slept hear that it fell behind, once it reads?
double count_resyncs(Readers& stuck) {
  double resyncs = 0;
  while (stuck.poll(std::chrono::seconds(2), [&](std::size_t, std::string_view text) {
    if (text.starts_with(R"({"type":"resync_required")")) ++resyncs;
  })) {
  }
  return resyncs;
}

void run(const BenchOptions& options) {
  Report report("burst", "one UPDATE to a hundred subscribers, beside one that never reads");
  const unsigned rows = options.quick ? 10'000 : 100'000;
  Rig rig(options);
  rig.make_database("app", rows);
  rig.watch("app");
  const auto bridge = rig.start_bridge("app");
  Readers stuck(bridge->address(), 1, "posts.*");
  Watchers watchers(bridge->address(), readers_count, rows);
  const Usage before = bridge->usage();

  auto updating = std::async(std::launch::async, update_all, rig.url("app"));
  watchers.read_all();
  const Update update = updating.get();
  const Usage after = bridge->usage();

  rig.describe(report);
  report.describe(std::to_string(rows) + " rows in one statement, " +
                  std::to_string(readers_count) +
                  " subscribers of posts.* that read without pause, one that never reads");
  report.add("whole and in order", static_cast<double>(watchers.whole_and_in_order()),
             "of " + std::to_string(readers_count) + " subscribers");
  report.add("frames that are no events", static_cast<double>(watchers.other_frames()), "");
  report.add("the statement itself", seconds_between(update.began, update.committed), "s");
  report.add("from its commit to the last frame",
             seconds_between(update.committed, watchers.ended_at()), "s");
  report.add("sent", watchers.gigabytes(), "GB");
  report.add("held back for the readers", bridge->metric("pgtide_paced_seconds_total"), "s");
  report.add("CPU of the bridge", after.cpu_seconds - before.cpu_seconds, "s");
  report.add("memory of the bridge before", static_cast<double>(before.peak_bytes) / 1e6, "MB");
  report.add("peak memory of the bridge", static_cast<double>(after.peak_bytes) / 1e6, "MB");
  report.add("resync_required to the one that never read", count_resyncs(stuck), "frames");
  report.print(options);
}

}  // namespace
}  // namespace pgtide::bench

int main(int argc, char** argv) {
  return pgtide::bench::run_bench(argc, argv, "One large UPDATE to many subscribers",
                                  pgtide::bench::run);
}
