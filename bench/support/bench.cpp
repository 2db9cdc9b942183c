#include "support/bench.hpp"

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <stdexcept>

namespace pgtide::bench {
namespace {

std::string default_program() {
  std::error_code ignored;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  return self.parent_path().parent_path() / "pgtide";
}

// A thousand connections need more than the usual 1,024 files; the bridge inherits the limit.
void raise_file_limit() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

void add_options(CLI::App& app, BenchOptions& options) {
  app.add_flag("--quick", options.quick, "a short run, to see whether all works");
  app.add_option("--json", options.json, "write the report to this file as JSON; -: print JSON");
  app.add_option("--pgtide", options.pgtide, "the program under test")->capture_default_str();
  app.add_option("--directory", options.directory, "where the database is made; on a disk")
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "how long one measurement takes");
  app.add_option("--rounds", options.rounds, "how often each is repeated");
  app.add_option("--only", options.only, "one workload, by its name in the report");
}

}  // namespace

void give_up(const std::string& why) { throw std::runtime_error(why); }

unsigned choose(unsigned asked, const BenchOptions& options, unsigned full, unsigned quick) {
  if (asked != 0) return asked;
  return options.quick ? quick : full;
}

int run_bench(int argc, char** argv, const std::string& what,
              const std::function<void(const BenchOptions&)>& body) {
  BenchOptions options;
  options.pgtide = default_program();
  CLI::App app{what};
  add_options(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  raise_file_limit();
  try {
    body(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
  return 0;
}

}  // namespace pgtide::bench
