#pragma once
#include <functional>
#include <string>

#include "pgtide/result.hpp"

namespace pgtide::bench {

// What every program in bench/ takes on its command line. A number that is 0 leaves the choice to
// the program; what it chose is in its report.
struct BenchOptions {
  bool quick = false;        // a short run that only finds out whether all works
  std::string json{};        // a file that the report is written to as JSON, too; "-": JSON alone
  std::string pgtide{};      // the program under test; default: ../pgtide, seen from this one
  std::string directory = "/var/tmp";  // on a disk: database, rules and logs are made in there
  unsigned seconds = 0;      // of one measurement
  unsigned rounds = 0;
  std::string only{};        // the one workload to run, by its name; empty: all
};

// Parses the command line, calls `body` and turns what it throws into a line on standard error.
// Returns the exit code: 0, 1 when the measurement could not be made, 2 for wrong usage. It never
// says whether a figure is good enough.
int run_bench(int argc, char** argv, const std::string& what,
              const std::function<void(const BenchOptions&)>& body);

// A measurement that cannot go on ends with this: programs here have nobody to return an error to.
[[noreturn]] void give_up(const std::string& why);

template <class T>
T take(Result<T> result) {
  if (!result) give_up(result.error().to_string());
  return std::move(*result);
}
inline void take(const Result<void>& result) {
  if (!result.ok()) give_up(result.error().to_string());
}

// What a run is long enough for: `full`, or `quick` with --quick; one that was asked for wins.
unsigned choose(unsigned asked, const BenchOptions& options, unsigned full, unsigned quick);

}  // namespace pgtide::bench
