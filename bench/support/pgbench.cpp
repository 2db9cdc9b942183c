#include "support/pgbench.hpp"

#include <cstdlib>

#include "support/bench.hpp"

namespace pgtide::bench {
namespace {

double number_behind(const std::string& printed, const std::string& words) {
  const std::size_t at = printed.find(words);
  if (at == std::string::npos) give_up("pgbench did not say \"" + words + "\": " + printed);
  return std::strtod(printed.c_str() + at + words.size(), nullptr);
}

}  // namespace

std::string update_script(unsigned posts_per_client, unsigned rows) {
  const std::string each = std::to_string(rows);
  return "\\set low :client_id * " + std::to_string(posts_per_client) + " + random(0, " +
         std::to_string(posts_per_client / rows - 1) + ") * " + each + "\n" +
         "update posts set likes = likes + 1 where id > :low and id <= :low + " + each + ";\n";
}

PgbenchResult run_pgbench(const Pgbench& run, const Folder& folder, const std::string& name) {
  folder.write(name + ".sql", run.script);
  std::vector<std::string> arguments = {
      "/usr/bin/env", "pgbench", "--no-vacuum", "--protocol=prepared", "--jobs=1",
      "--client=" + std::to_string(run.clients), "--time=" + std::to_string(run.seconds),
      "--file=" + folder.file(name + ".sql")};
  if (run.rate > 0) arguments.push_back("--rate=" + std::to_string(run.rate));
  arguments.push_back(run.url);
  const std::string printed = run_to_end(std::move(arguments), folder, name + ".log");
  if (number_behind(printed, "number of failed transactions: ") > 0) give_up(printed);
  return {number_behind(printed, "number of transactions actually processed: "),
          number_behind(printed, "tps = ")};
}

}  // namespace pgtide::bench
