// What capture costs the server process of a writer: its CPU for a transaction of one row, by
// prepared statements, in two databases of one cluster, one of which is watched. No bridge runs,
// but the log is left as by one that is awake, so that nobody is woken.
//
// The two take turns of a hundredth of a second, so that a machine's mood, which changes slower, is
// the same for both: what counts is the median of the turns' differences and ratios.

#include <array>
#include <fstream>
#include <string_view>

#include "support/rig.hpp"
#include "support/samples.hpp"
#include "support/sql.hpp"

namespace pgtide::bench {
namespace {

constexpr unsigned posts = 20'000;
constexpr unsigned turn_transactions = 100;

struct Writes {
  const char* name;
  const char* statement;
};
constexpr std::array<Writes, 3> kinds = {{
    {"update", "update posts set likes = likes + 1, updated_at = now() where id = $1"},
    {"insert",
     "insert into posts (id, author_id, title, body) values ($1, 1, 'A post', 'Its text')"},
    {"delete", "delete from posts where id = $1"},
}};

// A session of one database, and what its server process has used.
class Writer {
 public:
  explicit Writer(const std::string& url)
      : sql_(url), schedule_("/proc/" + sql_.value("select pg_backend_pid()") + "/schedstat") {
    for (const Writes& kind : kinds) {
      sql_.run(std::string("prepare \"") + kind.name + "\"(bigint) as " + kind.statement);
    }
  }

  // Of turn_transactions writes to the rows from `first` on: microseconds of CPU for each.
  double write(const Writes& kind, unsigned first) {
    const double before = cpu_microseconds();
    for (unsigned id = first; id < first + turn_transactions; ++id) {
      sql_.run(std::string("execute \"") + kind.name + "\"(" + std::to_string(id) + ")");
    }
    return (cpu_microseconds() - before) / turn_transactions;
  }

 private:
  double cpu_microseconds() const {
    double nanoseconds = 0;
    if (!(std::ifstream(schedule_) >> nanoseconds)) give_up("cannot read " + schedule_);
    return nanoseconds / 1000;
  }

  Sql sql_;
  std::string schedule_;
};

struct Figures {
  Samples plain{};
  Samples captured{};
  Samples difference{};
  Samples ratio{};

  void add(double of_plain, double of_captured) {
    plain.add(of_plain);
    captured.add(of_captured);
    difference.add(of_captured - of_plain);
    ratio.add(100 * of_captured / of_plain);
  }
};

// Both write the same rows, and take turns in going first.
class Pair {
 public:
  explicit Pair(const Rig& rig) : plain_(rig.url("plain")), captured_(rig.url("captured")) {}

  void take_turn(const Writes& kind, unsigned first, Figures& figures) {
    plain_first_ = !plain_first_;
    Writer& one = plain_first_ ? plain_ : captured_;
    Writer& other = plain_first_ ? captured_ : plain_;
    const double before = one.write(kind, first);
    const double after = other.write(kind, first);
    figures.add(plain_first_ ? before : after, plain_first_ ? after : before);
  }

 private:
  Writer plain_;
  Writer captured_;
  bool plain_first_ = false;
};

void run(const BenchOptions& options) {
  Report report("trigger", "what capture costs a writer's server process");
  const unsigned rounds = choose(options.rounds, options, 60, 5);
  Rig rig(options);
  for (const char* database : {"plain", "captured"}) rig.make_database(database, posts);
  rig.watch("captured");
  Sql(rig.url("captured")).run("select setval('pgtide.armed', 0)");

  Pair pair(rig);
  std::array<Figures, kinds.size()> figures{};
  for (unsigned round = 0; round < rounds; ++round) {
    const unsigned old_rows = 1 + round * turn_transactions % (posts - turn_transactions);
    const unsigned new_rows = posts + 1 + round * turn_transactions;
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      const bool of_old = std::string_view(kinds[i].name) == "update";
      pair.take_turn(kinds[i], of_old ? old_rows : new_rows, figures[i]);
    }
  }

  rig.describe(report);
  report.describe("transactions of one row by prepared statements, no bridge; medians of " +
                  std::to_string(rounds) + " turns of " + std::to_string(turn_transactions) +
                  " in each database");
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    const std::string name = kinds[i].name;
    report.add(name + ": plain", figures[i].plain.median(), "us");
    report.add(name + ": captured", figures[i].captured.median(), "us");
    report.add(name + ": what capture adds", figures[i].difference.median(), "us");
    report.add(name + ": captured, of plain", figures[i].ratio.median(), "%");
  }
  report.print(options);
}

}  // namespace
}  // namespace pgtide::bench

int main(int argc, char** argv) {
  return pgtide::bench::run_bench(argc, argv, "CPU of a writer's server process for one row",
                                  pgtide::bench::run);
}
