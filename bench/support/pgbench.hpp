#pragma once
#include <string>

#include "support/folder.hpp"

namespace pgtide::bench {

// One run of PostgreSQL's pgbench with a script of our own, prepared statements, one thread.
struct Pgbench {
  std::string url{};
  std::string script{};      // its text
  unsigned clients = 1;
  unsigned seconds = 10;
  double rate = 0;           // transactions per second that are asked for; 0: as many as can be
};

// A script that updates `rows` posts that lie together in one statement. Each client has
// `posts_per_client` of its own, a multiple of `rows`, so that none waits for another's locks.
std::string update_script(unsigned posts_per_client, unsigned rows);

struct PgbenchResult {
  double transactions = 0;   // committed
  double per_second = 0;     // without the time to connect
};

// Gives up when a transaction failed. `name` tells its files from those of a run beside it.
PgbenchResult run_pgbench(const Pgbench& run, const Folder& folder, const std::string& name);

}  // namespace pgtide::bench
