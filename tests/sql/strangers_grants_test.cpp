// What a stranger may grant a role, it grants pgtide's too: whoever has ADMIN OPTION on a role, and
// on PostgreSQL 15 and older every role on itself, can make others members of it.
#include <doctest/doctest.h>

#include "support/installed_database.hpp"
#include "support/text.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

std::string capturing_role(Database& database) {
  return *database.value("select capture_role from pgtide.meta");
}

std::string faults_told(Database& database) {
  return *database.value("select coalesce(string_agg(wrong || ': ' || mend, '; '), '') "
                         "from pgtide.schema_faults()");
}

// Installs again; what it warned of. Fails the test where it does not succeed.
std::string warnings_of_install(const Database& database, const std::string& role = "") {
  std::string warnings;
  InstallOptions options;
  options.warn = [&](std::string_view text) { warnings += text; };
  const auto installed = install(role.empty() ? database.url() : database.url(role), options);
  CHECK_MESSAGE(installed.ok(), (installed.ok() ? "" : installed.error().message));
  return warnings;
}

}  // namespace

TEST_CASE("strangers' grants: a role granted to the capture role ends no install, and is a fault") {
  const Role installer, stranger, club;
  Database database("owner " + installer.name());
  const std::string role =
      "pgtide_capture_" + *database.value("select oid from pg_database where datname = "
                                          "current_database()");
  database.run("create role " + role + " nologin noinherit; grant " + role + " to " +
               installer.name() + " with admin option; grant " + club.name() + " to " +
               stranger.name() + " with admin option");
  REQUIRE(warnings_of_install(database, installer.name()) == "");
  REQUIRE(capturing_role(database) == role);
  database.session(stranger.name()).run("grant " + club.name() + " to " + role);
  const std::string told = "role " + role + " is a member of role " + club.name();
  CHECK_MESSAGE(holds(warnings_of_install(database, installer.name()), told),
                faults_told(database));
  CHECK(capturing_role(database) == role);
  CHECK(holds(faults_told(database), told));
  database.session(stranger.name()).run("revoke " + club.name() + " from " + role);
  CHECK(warnings_of_install(database, installer.name()) == "");
  CHECK(faults_told(database) == "");
}

TEST_CASE("strangers' grants: one that is being revoked and not committed ends no install") {
  const Role stranger, club;
  InstalledDatabase database;
  database.run("alter database " + database.name() + " set pgtide.lock_patience = '4s'; grant " +
               club.name() + " to " + stranger.name() + " with admin option");
  Session open = database.session(stranger.name());
  open.run("grant " + club.name() + " to " + capturing_role(database));
  open.run("begin; revoke " + club.name() + " from " + capturing_role(database));
  CHECK(holds(warnings_of_install(database), "is a member of role " + club.name()));
  open.run("commit");
  CHECK(warnings_of_install(database) == "");
}

TEST_CASE("strangers' grants: an open one to the role that a copy leaves ends no install") {
  const Role stranger;
  std::optional<Database> original(std::in_place);
  REQUIRE(install(original->url()).ok());
  const std::string left =
      *Session(original->url()).value("select capture_role from pgtide.meta");
  Database copy("template " + original->name());
  original.reset();
  copy.run("alter database " + copy.name() + " set pgtide.lock_patience = '4s'; "
           "create schema his authorization " + stranger.name());
  Session open = copy.session(stranger.name());
  open.run("create table his.own (id int); begin; grant select on his.own to " + left);
  const std::string warned = warnings_of_install(copy);
  CHECK_MESSAGE(holds(warned, "role " + left + " is not used any more, and stays"), warned);
  CHECK(capturing_role(copy) != left);
  open.run("rollback");
  copy.run("drop role " + left);
}
