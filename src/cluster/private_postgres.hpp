#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pgtide/result.hpp"

namespace pgtide {

struct PrivatePostgresOptions {
  // Where the cluster's directory is made; empty: $TMPDIR where a socket's path still fits in there
  // (107 bytes, unix(7)) and we are not root, else /tmp.
  std::string parent_directory;
  // False also turns full_page_writes off: a crash of the machine loses the cluster, which is gone
  // then anyway. Benchmarks turn it on, and choose a parent_directory on disk.
  bool fsync = false;
  // "name=value", as postgres -c takes them; they win over our own.
  std::vector<std::string> settings;
  // Where initdb and postgres lie; empty: `$PG_CONFIG --bindir` (pg_config), else the newest of
  // /usr/lib/postgresql/*/bin and /usr/pgsql-*/bin, else PATH.
  std::string binaries;
  // A directory where what initdb makes is kept and copied from the next time, which takes a tenth
  // of the time; a copy per `binaries`. It stays when all is over. Empty: initdb each time.
  std::string keep_pgdata_in;
};

// A PostgreSQL cluster of our own in a temporary directory, for `demo`, tests and benchmarks.
//
// It listens on a unix socket in that directory only (mode 0700) and trusts whoever gets there: the
// superuser is called postgres. As root, which PostgreSQL refuses, its programs run as the user
// postgres, else nobody. Server and directory are gone when the destructor returns, and within
// moments after this program ended in any other way, SIGKILL included: see the .cpp.
//
// Errors: not_found (no server programs, naming the package), unavailable (no directory),
// internal (initdb or postgres failed, with the end of its log).
// One thread at a time. Starts child programs; safe in a program that has threads.
class PrivatePostgres {
 public:
  // Makes the cluster (about a second) and starts it.
  static Result<PrivatePostgres> create(const PrivatePostgresOptions& options = {});

  PrivatePostgres(PrivatePostgres&&) noexcept;
  PrivatePostgres& operator=(PrivatePostgres&&) noexcept;
  ~PrivatePostgres();

  // A libpq key=value string. It stays the same over restarts.
  std::string url(std::string_view database = "postgres", std::string_view user = "postgres") const;

  // Returns when the server answers; at once when it runs already.
  Result<void> start();
  // A fast shutdown: sessions are cut off, what they have committed is kept.
  Result<void> stop();
  Result<void> restart();
  // As in a crash: no checkpoint, the next start() goes through recovery.
  Result<void> kill();

  // Of the postmaster; 0 while it's stopped.
  int pid() const;
  const std::string& directory() const;
  // What the server has logged last, at most 4 KiB of it.
  std::string log_tail() const;

 private:
  struct Cluster;
  explicit PrivatePostgres(std::unique_ptr<Cluster> cluster);
  std::unique_ptr<Cluster> cluster_;
};

}  // namespace pgtide
