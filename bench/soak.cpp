// Does it stay well for long? Writers, broadcasts, subscribers who come and go, and a PostgreSQL
// that is restarted or killed every few minutes: nothing may be lost or come twice for those who
// are connected, and memory, file descriptors and log may not grow.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <future>
#include <memory>
#include <thread>

#include "support/audience.hpp"
#include "support/readers.hpp"
#include "support/rig.hpp"
#include "support/scribe.hpp"
#include "support/sql.hpp"

namespace pgtide::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr unsigned writers = 8;
constexpr unsigned posts_per_writer = 50;
constexpr double changes_per_second = 25;  // of a writer
constexpr unsigned news = writers, announcements = writers + 1, streams = writers + 2;
constexpr double news_per_second = 5, announcements_per_second = 1;

// How long and how much.
struct Soak {
  seconds length{};
  seconds between_restarts{};
  std::size_t connections = 0;
  milliseconds stay{};
  milliseconds pause{};
  seconds retention{};
};

Soak plan(const BenchOptions& options) {
  const unsigned length = choose(options.seconds, options, 1'800, 60);
  if (options.quick) {
    return {.length = seconds(length), .between_restarts = seconds(20), .connections = 200,
            .stay = seconds(8), .pause = seconds(1), .retention = seconds(20)};
  }
  return {.length = seconds(length), .between_restarts = seconds(180), .connections = 2'000,
          .stay = seconds(60), .pause = seconds(4), .retention = seconds(180)};
}

BridgeSetup setup(const Soak& soak) {
  return {.rules = "version: 1\nall: public\ncollections:\n  posts:\n    subscribe: public\n"
                   "  news:\n    subscribe: public\n",
          .flags = {"--resume.retention", std::to_string(soak.retention.count()) + "s"}};
}

std::string text_of(double number) {
  return std::to_string(static_cast<std::uint64_t>(number));
}

// Writer w owns the posts behind w * posts_per_writer and changes them in turn.
std::uint64_t post_of(unsigned writer, std::uint64_t number) {
  return std::uint64_t{writer} * posts_per_writer + number % posts_per_writer + 1;
}

Scribe::Stream stream(unsigned number) {
  if (number == news) {
    return {news, [](std::uint64_t n) {
              return "select pgtide_api.broadcast('news', '{\"n\":" + std::to_string(n) + "}')";
            }, news_per_second};
  }
  if (number == announcements) {
    return {announcements, [](std::uint64_t n) {
              return "select pgtide_api.broadcast_all('{\"n\":" + std::to_string(n) + "}')";
            }, announcements_per_second};
  }
  return {number, [number](std::uint64_t n) {
            return "update posts set likes = " + std::to_string(n) +
                   " where id = " + std::to_string(post_of(number, n));
          }, changes_per_second};
}

// Of ten, one listens to every post, one to the news, and eight to a post of their own.
Audience::Seat seat(std::size_t who) {
  Audience::Seat made;
  if (who % 10 == 0) {
    made.pattern = "posts.*";
    for (unsigned writer = 0; writer < writers; ++writer) made.streams.emplace(writer, Share{});
  } else if (who % 10 == 1) {
    made.pattern = "news.*";
    made.streams.emplace(news, Share{});
  } else {
    const std::uint64_t post = who % (writers * posts_per_writer);
    made.pattern = "posts." + std::to_string(post + 1);
    made.streams.emplace(static_cast<unsigned>(post / posts_per_writer),
                         Share{posts_per_writer, post % posts_per_writer});
  }
  made.streams.emplace(announcements, Share{});
  return made;
}

std::uint64_t number_behind(std::string_view text, std::string_view key) {
  std::uint64_t number = 0;
  if (const std::size_t at = text.find(key); at != std::string_view::npos) {
    const char* begin = text.data() + at + key.size();
    std::from_chars(begin, text.data() + text.size(), number);
  }
  return number;
}

Audience::Mark mark_of(std::string_view frame) {
  if (is_record_event(frame)) {
    return {static_cast<unsigned>((record_number(frame) - 1) / posts_per_writer),
            number_behind(frame, R"("likes":)")};
  }
  const bool to_all = frame.find(R"("collection":null)") != std::string_view::npos;
  return {to_all ? announcements : news, number_behind(frame, R"("n":)")};
}

// The bridge's size over time, and what the log took at the most.
class Watch {
 public:
  void look(const BridgeProgram& bridge) {
    memory_.push_back(static_cast<double>(bridge.usage().resident_bytes) / 1024 / 1024);
    log_bytes_max_ = std::max(log_bytes_max_, bridge.metric("pgtide_log_bytes"));
  }
  void report(Report& report) const {
    report.add("memory in the second quarter, median", median(0.25, 0.5), "MiB");
    report.add("memory in the third quarter, median", median(0.5, 0.75), "MiB");
    report.add("memory in the last quarter, median", median(0.75, 1), "MiB");
    report.add("last quarter to the second", median(0.75, 1) / median(0.25, 0.5), "times");
    report.add("log tables, most", log_bytes_max_ / 1024 / 1024, "MiB");
  }

 private:
  double median(double from, double to) const {
    const auto at = [this](double part) {
      return static_cast<std::ptrdiff_t>(part * static_cast<double>(memory_.size()));
    };
    Samples part;
    std::for_each(memory_.begin() + at(from), memory_.begin() + at(to),
                  [&part](double value) { part.add(value); });
    return part.median();
  }

  std::vector<double> memory_;
  double log_bytes_max_ = 0;
};

// Stops or kills the server and starts it again.
void restart(PrivatePostgres& server, unsigned turn) {
  if (turn % 2 == 0) {
    take(server.restart());
  } else {
    take(server.kill());
    take(server.start());
  }
}

struct Course {
  Watch watch;
  unsigned restarts = 0;
};

// What happens to the bridge while the audience listens; not in the last moments, so that what
// was asked for can be heard.
Course conduct(const Soak& soak, Rig& rig, const BridgeProgram& bridge,
               const std::future<void>& audience) {
  Course course;
  const auto begin = steady_clock::now();
  const seconds between_looks = std::max(soak.length / 120, seconds(1));
  auto look_at = begin, restart_at = begin + soak.between_restarts;
  while (steady_clock::now() < begin + soak.length) {
    if (audience.wait_until(std::min(look_at, restart_at)) == std::future_status::ready) break;
    if (steady_clock::now() >= look_at) {
      course.watch.look(bridge);
      look_at += between_looks;
    }
    if (steady_clock::now() >= restart_at) {
      restart(rig.cluster(), course.restarts++);
      restart_at += soak.between_restarts;
    }
  }
  return course;
}

void describe(Report& report, const Rig& rig, const Soak& soak) {
  rig.describe(report);
  report.describe(std::to_string(soak.length.count()) + " s; " + std::to_string(writers) +
                  " writers, each " + text_of(changes_per_second) +
                  " single-row transactions a second, " + text_of(news_per_second) +
                  " broadcasts and " + text_of(announcements_per_second) + " to all");
  report.describe(std::to_string(soak.connections) + " subscribers who stay " +
                  std::to_string(soak.stay.count()) + " ms on the average and pause " +
                  std::to_string(soak.pause.count()) +
                  "; they leave by a close frame, without one, or by a reset");
  report.describe("one in ten listens to posts.*, one to news.*, eight to a post of their own");
  report.describe("PostgreSQL is restarted or killed by turns, every " +
                  std::to_string(soak.between_restarts.count()) + " s; resume.retention " +
                  std::to_string(soak.retention.count()) + " s");
}

void add(Report& report, const Audience::Tally& tally) {
  report.add("events received", static_cast<double>(tally.events), "");
  report.add("lost", static_cast<double>(tally.lost), "");
  report.add("repeated", static_cast<double>(tally.repeated), "");
  report.add("strays", static_cast<double>(tally.strays), "");
  report.add("resync_required", static_cast<double>(tally.resyncs), "");
  report.add("errors", static_cast<double>(tally.errors), "");
  report.add("closed by the bridge", static_cast<double>(tally.closed_by_server), "");
  report.add("visits", static_cast<double>(tally.visits), "");
}

// When all have left and it has come down to `usual`, or does not: a session for large transactions
// goes half a minute after the last one.
double descriptors_without_clients(const BridgeProgram& bridge, double usual) {
  const auto deadline = steady_clock::now() + seconds(60);
  double open = bridge.metric("process_open_fds");
  while ((bridge.metric("pgtide_connections") > 0 || open > usual) &&
         steady_clock::now() < deadline) {
    std::this_thread::sleep_for(milliseconds(50));
    open = bridge.metric("process_open_fds");
  }
  return open;
}

using Scribes = std::vector<std::unique_ptr<Scribe>>;

Scribes start_scribes(const std::string& url) {
  Scribe::make_table(url, streams);
  Scribes scribes;
  for (unsigned number = 0; number < streams; ++number) {
    scribes.push_back(std::make_unique<Scribe>(url, stream(number)));
  }
  return scribes;
}

Audience::Plan invite(const Soak& soak, const std::string& address, const Scribes& scribes) {
  Audience::Plan plan{.address = address,
                      .mark_of = mark_of,
                      .begun = [&scribes](unsigned number) { return scribes[number]->begun(); },
                      .stay = soak.stay,
                      .pause = soak.pause};
  for (std::size_t who = 0; who < soak.connections; ++who) plan.seats.push_back(seat(who));
  return plan;
}

void add(Report& report, const Scribes& scribes) {
  double written = 0, interruptions = 0;
  for (const auto& scribe : scribes) {
    written += static_cast<double>(scribe->begun());
    interruptions += static_cast<double>(scribe->interruptions());
  }
  report.add("written", written, "changes and broadcasts");
  report.add("failed transactions of writers", interruptions, "");
}

void run(const BenchOptions& options) {
  Report report("soak", "a long time: writers, guests who come and go, a server that restarts");
  const Soak soak = plan(options);
  Rig rig(options);
  rig.make_database("app", writers * posts_per_writer);
  rig.watch("app");
  const auto bridge = rig.start_bridge("app", setup(soak));
  const double descriptors = bridge->metric("process_open_fds");

  const Scribes scribes = start_scribes(rig.url("app"));
  Audience audience(invite(soak, bridge->address(), scribes));
  std::atomic<bool> ending = false;
  auto attending = std::async(std::launch::async, [&] { audience.attend(ending); });
  const Course course = conduct(soak, rig, *bridge, attending);
  for (const auto& scribe : scribes) scribe->stop();
  ending = true;
  attending.get();
  audience.hear_the_end();
  audience.leave();

  describe(report, rig, soak);
  add(report, scribes);
  add(report, audience.tally());
  report.add("restarts of PostgreSQL", course.restarts, "");
  report.add("the bridge's connections to PostgreSQL made anew",
             bridge->metric("pgtide_database_reconnects_total"), "");
  report.add("from the change to the frame, p50", audience.age_ms().median(), "ms");
  report.add("from the change to the frame, p99", audience.age_ms().quantile(0.99), "ms");
  course.watch.report(report);
  report.add("file descriptors before, without clients", descriptors, "");
  report.add("file descriptors after, without clients",
             descriptors_without_clients(*bridge, descriptors), "");
  report.print(options);
}

}  // namespace
}  // namespace pgtide::bench

int main(int argc, char** argv) {
  return pgtide::bench::run_bench(argc, argv, "A long time with everything at once",
                                  pgtide::bench::run);
}
