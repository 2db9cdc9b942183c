#pragma once
#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "cluster/child_program.hpp"
#include "support/database.hpp"
#include "support/program.hpp"

// PostgreSQL's own programs for those who use a server: psql, pg_dump, pg_restore.
namespace pgtide::test {

// The greatest number that is a folder's name in there, and has that file; 0: none.
inline int newest_version(const std::string& folder, const std::string& file) {
  int newest = 0;
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator(folder, absent))
    if (std::filesystem::exists(entry.path() / file))
      newest = std::max(newest, std::atoi(entry.path().filename().c_str()));
  return newest;
}

// The major version of the newest pg_dump; a machine without one fails the test.
inline int client_version() {
  const int newest = newest_version("/usr/lib/postgresql", "bin/pg_dump");
  if (newest == 0) FAIL("no pg_dump in /usr/lib/postgresql/*/bin (package postgresql-client)");
  return newest;
}

inline std::string client_folder() {
  return "/usr/lib/postgresql/" + std::to_string(client_version()) + "/bin";
}

// A cluster of the newest server that ./dev has unpacked (PGTIDE_SERVERS), where an upgrade leads;
// without any, of the server under test. Not copied from what initdb once made: its identity is
// its own, as another cluster's is.
inline PrivatePostgres make_newest_cluster() {
  PrivatePostgresOptions options = quick_cluster();
  options.keep_pgdata_in.clear();
  if (const char* servers = std::getenv("PGTIDE_SERVERS")) {
    const std::string folder = servers;
    const std::string newest = std::to_string(newest_version(folder, "pg_config"));
    const std::string ask = "'" + folder + '/' + newest + "/pg_config' --bindir";
    options.binaries = first_line_of(ask.c_str());
  }
  Result<PrivatePostgres> made = PrivatePostgres::create(options);
  if (!made) FAIL(made.error().to_string());
  return std::move(*made);
}

// pg_dump refuses a server that is newer than itself.
inline bool can_dump(const Session& session) {
  const bool can = session.server_version() / 10'000 <= client_version();
  if (!can) MESSAGE("not tried: this machine's pg_dump is older than the server");
  return can;
}
inline bool can_dump(const Database& database) { return can_dump(database.session()); }

// Commands of a shell, with these programs in its PATH; `environment` as "NAME=value".
inline ProgramEnd in_shell(const std::string& commands, std::vector<std::string> environment,
                           const std::string& folder = "/") {
  const std::string path = "export PATH=" + client_folder() + ":/usr/local/bin:/usr/bin:/bin\n";
  return Program("/bin/bash", {"-euc", "set -o pipefail\n" + path + commands},
                 {.environment = std::move(environment), .folder = folder})
      .wait(std::chrono::seconds{60});
}

}  // namespace pgtide::test
