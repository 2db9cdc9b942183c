// What healthy readers notice of others that hover: that let their backlog come to its half and
// then read as much as is sent to them and no more, for ever. Nobody can tell such a reader from
// one whose line is slow. The first turn of each workload is without them; the last has as many
// who read without pause in their place, for what they cost by being there.

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "support/readers.hpp"
#include "support/rig.hpp"
#include "support/samples.hpp"
#include "support/socket.hpp"
#include "support/sql.hpp"

namespace pgtide::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr unsigned posts = 20'000;
constexpr std::size_t healthy_count = 20;
constexpr double half_backlog = 4'194'304;  // of limits.backlog_bytes as shipped
constexpr unsigned changes_per_second = 300;
constexpr unsigned bulk_rows = 10'000;
constexpr std::chrono::seconds bulk_interval{2};
constexpr unsigned fill_rows = 1'000;
// By so many bytes the system takes more from the bridge once a reader has made room.
constexpr std::size_t system_step_bytes = 1'000'000;
constexpr std::uint64_t sample_every = 16;

// Bytes that one healthy reader has got: what the hovering ones go by.
using Sent = std::atomic<std::uint64_t>;

// Connections that read nothing at first, and from hover() on as much as a healthy one gets. They
// take turns: at any moment one of them falls below half its backlog, while others rise over it.
class Hoverers {
 public:
  Hoverers(const std::string& address, std::size_t count, const Sent& sent) : sent_(sent) {
    for (std::size_t i = 0; i < count; ++i) {
      sockets_.push_back(connect_to(address));
      upgrade(sockets_.back(), address, "");
      send_all(sockets_.back(),
               masked_frame(text_opcode, R"({"type":"subscribe","pattern":"posts.*"})"));
    }
  }
  ~Hoverers() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
    for (const int socket : sockets_) close(socket);
  }
  Hoverers(const Hoverers&) = delete;
  Hoverers& operator=(const Hoverers&) = delete;

  void hover() {
    thread_ = std::thread([this] { keep_up(); });
  }

 private:
  void keep_up() {
    const std::uint64_t before = sent_;
    const std::size_t count = sockets_.size();
    std::vector<std::uint64_t> taken(count);
    while (!stopping_) {
      for (std::size_t i = 0; i < count; ++i) {
        take(sockets_[i], taken[i], sent_ - before + system_step_bytes * i / count);
      }
      std::this_thread::sleep_for(milliseconds(5));
    }
  }
  static void take(int socket, std::uint64_t& taken, std::uint64_t wanted) {
    while (taken < wanted) {
      // TCP drops what is asked for so, and copies nothing (tcp(7)).
      const ssize_t got = recv(socket, nullptr, wanted - taken, MSG_DONTWAIT | MSG_TRUNC);
      if (got == 0) give_up("the bridge closed a hovering connection");
      if (got < 0) return;
      taken += static_cast<std::uint64_t>(got);
    }
  }

  const Sent& sent_;
  std::vector<int> sockets_{};
  std::atomic<bool> stopping_ = false;
  std::thread thread_{};
};

// Single rows at a steady rate, whoever is late, and perhaps a large statement now and then.
class Writer {
 public:
  Writer(std::string url, bool bulk) : single_([this, url] { write_rows(url); }) {
    if (bulk) bulk_ = std::thread([this, url] { write_bulk(url); });
  }
  ~Writer() {
    stopping_ = true;
    single_.join();
    if (bulk_.joinable()) bulk_.join();
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

 private:
  void write_rows(const std::string& url) {
    Sql sql(url);
    auto due = steady_clock::now();
    for (unsigned id = bulk_rows + 1; !stopping_; id = id == posts ? bulk_rows + 1 : id + 1) {
      sql.run("update posts set likes = likes + 1 where id = " + std::to_string(id));
      std::this_thread::sleep_until(due += std::chrono::microseconds(1'000'000 /
                                                                     changes_per_second));
    }
  }
  void write_bulk(const std::string& url) {
    Sql sql(url);
    auto due = steady_clock::now();
    while (!stopping_) {
      sql.run("update posts set likes = likes + 1 where id <= " + std::to_string(bulk_rows));
      due += bulk_interval;
      while (!stopping_ && steady_clock::now() < due) std::this_thread::sleep_for(milliseconds(10));
    }
  }

  std::atomic<bool> stopping_ = false;
  std::thread single_{};
  std::thread bulk_{};
};

struct Scene {
  const Rig& rig;
  const BridgeProgram& bridge;
  Readers& healthy;
  unsigned seconds = 0;
};

struct Company {
  std::size_t hovering = 0;
  std::size_t prompt = 0;
  bool bulk = false;

  std::string name() const {
    return std::string(bulk ? "with bulk, " : "single rows, ") +
           (prompt > 0 ? std::to_string(prompt) + " that read more"
                       : std::to_string(hovering) + " hovering");
  }
};

// What is there for the healthy, until nothing more comes.
void read_all(Readers& healthy) {
  while (healthy.poll(milliseconds(200), [](std::size_t, std::string_view) {})) {
  }
}

// Writes until half the backlog of each waits.
void fill(const Scene& scene, std::size_t hovering) {
  Sql writer(scene.rig.url("app"));
  while (scene.bridge.metric("pgtide_backlog_bytes") <
         half_backlog * static_cast<double>(hovering)) {
    writer.run("update posts set likes = likes + 1 where id <= " + std::to_string(fill_rows));
    read_all(scene.healthy);
  }
}

Samples read_for(const Scene& scene, Sent& sent) {
  const std::uint64_t before = scene.healthy.bytes();
  const auto until = steady_clock::now() + std::chrono::seconds(scene.seconds);
  Samples ages;
  std::uint64_t events = 0;
  while (steady_clock::now() < until) {
    scene.healthy.poll(milliseconds(10), [&](std::size_t, std::string_view text) {
      if (is_record_event(text) && ++events % sample_every == 0) ages.add(age_ms(text));
    });
    sent = (scene.healthy.bytes() - before) / healthy_count;
  }
  return ages;
}

// Returns the p99.
double measure(const Scene& scene, const Company& company, double base, Report& report) {
  Sent sent = 0;
  Hoverers hoverers(scene.bridge.address(), company.hovering, sent);
  fill(scene, company.hovering);
  std::atomic<bool> done = false;
  std::thread others([&] {
    if (company.prompt == 0) return;
    Readers prompt(scene.bridge.address(), company.prompt, "posts.*");
    while (!done) prompt.poll(milliseconds(10), [](std::size_t, std::string_view) {});
  });
  read_all(scene.healthy);
  const double behind = scene.bridge.metric("pgtide_fell_behind_total");
  const double paced = scene.bridge.metric("pgtide_paced_seconds_total");
  hoverers.hover();
  Samples ages;
  double waiting = 0;
  {
    const Writer writer(scene.rig.url("app"), company.bulk);
    ages = read_for(scene, sent);
    waiting = scene.bridge.metric("pgtide_backlog_bytes");
  }
  done = true;
  others.join();
  const double p99 = ages.quantile(0.99);
  const std::string name = company.name() + ": ";
  report.add(name + "p50", ages.median(), "ms");
  report.add(name + "p99", p99, "ms");
  if (base > 0) report.add(name + "p99 of that with none", p99 / base, "times");
  report.add(name + "most", ages.max(), "ms");
  if (company.hovering > 0) {
    report.add(name + "waiting for each at the end, of half a backlog",
               waiting / half_backlog / static_cast<double>(company.hovering), "times");
  }
  report.add(name + "fell behind", scene.bridge.metric("pgtide_fell_behind_total") - behind, "");
  report.add(name + "paced", scene.bridge.metric("pgtide_paced_seconds_total") - paced, "s");
  return p99;
}

void run(const BenchOptions& options) {
  Report report("hover", "healthy readers beside others that hover at half their backlog");
  const unsigned seconds = choose(options.seconds, options, 20, 3);
  Rig rig(options);
  rig.make_database("app", posts);
  rig.watch("app");
  const auto bridge = rig.start_bridge("app");
  Readers healthy(bridge->address(), healthy_count, "posts.*");
  const Scene scene{rig, *bridge, healthy, seconds};
  rig.describe(report);
  report.describe(std::to_string(healthy_count) + " healthy subscribers of posts.*; " +
                  std::to_string(changes_per_second) + " single-row updates a second; bulk: an "
                  "UPDATE of " + std::to_string(bulk_rows) + " rows every " +
                  std::to_string(bulk_interval.count()) + " s besides; " +
                  std::to_string(seconds) + " s each, in one bridge");
  report.describe("from the change in the writer's transaction to the frame, of every " +
                  std::to_string(sample_every) + "th event");
  for (const bool bulk : {false, true}) {
    double base = 0;
    for (const std::size_t hovering : {0, 2, 12, 100}) {
      const double p99 = measure(scene, {hovering, 0, bulk}, base, report);
      if (hovering == 0) base = p99;
    }
    measure(scene, {0, 100, bulk}, base, report);
  }
  report.print(options);
}

}  // namespace
}  // namespace pgtide::bench

int main(int argc, char** argv) {
  return pgtide::bench::run_bench(argc, argv, "Healthy readers beside hovering ones",
                                  pgtide::bench::run);
}
