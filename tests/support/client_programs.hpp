#pragma once
#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "support/database.hpp"
#include "support/program.hpp"

// PostgreSQL's own programs for those who use a server: psql, pg_dump, pg_restore.
namespace pgtide::test {

// Where those of the newest version lie; a machine without them fails the test.
inline std::string client_folder() {
  int newest = 0;
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", absent))
    if (std::filesystem::exists(entry.path() / "bin/pg_dump"))
      newest = std::max(newest, std::atoi(entry.path().filename().c_str()));
  if (newest == 0) FAIL("no pg_dump in /usr/lib/postgresql/*/bin (package postgresql-client)");
  return "/usr/lib/postgresql/" + std::to_string(newest) + "/bin";
}

// pg_dump refuses a server that is newer than itself.
inline bool can_dump(const Database& database) {
  const int newest = std::atoi(client_folder().substr(sizeof "/usr/lib/postgresql").c_str());
  const bool can = database.session().server_version() / 10'000 <= newest;
  if (!can) MESSAGE("not tried: this machine's pg_dump is older than the server");
  return can;
}

// Commands of a shell, with these programs in its PATH; `environment` as "NAME=value".
inline ProgramEnd in_shell(const std::string& commands, std::vector<std::string> environment,
                           const std::string& folder = "/") {
  const std::string path = "export PATH=" + client_folder() + ":/usr/local/bin:/usr/bin:/bin\n";
  return Program("/bin/bash", {"-euc", "set -o pipefail\n" + path + commands},
                 {.environment = std::move(environment), .folder = folder})
      .wait(std::chrono::seconds{60});
}

}  // namespace pgtide::test
