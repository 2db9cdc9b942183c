// A dump in another cluster, or in the same: whoever restores it, with the roles that it names or
// without them, no function of ours runs as anybody but the role that it was written for, and
// `pgtide install` is all that it takes to have everything whole.
#include <doctest/doctest.h>

#include <regex>
#include <sstream>

#include "support/client_programs.hpp"
#include "support/folder.hpp"
#include "support/installed_database.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

// What a dump is made of: tables, one of them partitioned, that are watched, and an application
// that sends custom events.
const char* const contents =
    "create table posts (id int primary key, title text); "
    "create table dms (id int primary key, body text); "
    "create table parts (id int primary key, t text) partition by range (id); "
    "create table parts_low partition of parts for values from (0) to (100); "
    "select pgtide.watch('dms'), pgtide.watch('posts'), pgtide.watch('parts'); ";

const char* const writes =
    "insert into posts values (2, 'b'); update dms set body = body || 'z'; "
    "insert into parts values (3, 'c'); delete from parts where id = 3; truncate posts";

// What was logged by the present functions, as "collection action record", a line each.
std::string logged_after(Database& database, const std::string& id) {
  std::string text;
  for (const Row& row : database.run(
           "select concat_ws(' ', c.name, l.action, l.record) from pgtide.log l "
           "join pgtide.collection c on c.id = l.collection where l.id > " + id +
           " order by l.id"))
    text += row[0] + '\n';
  return text;
}

std::string newest_change(Database& database) {
  return *database.value("select coalesce(max(id), 0) from pgtide.log");
}

std::string faults_after(Database& database) {
  std::string text;
  for (const Row& row : database.run(
           "select wrong || ': ' || mend from pgtide.schema_faults() union all "
           "select f.wrong || ': ' || f.mend from pgtide.collection c, pgtide.fault(c) f "
           "where f.wrong is not null"))
    text += row[0] + '\n';
  return text;
}

std::string owners_of_capture(Database& database) {
  return *database.value(
      "select string_agg(distinct r.rolname, ' ') from pg_proc p join pg_roles r "
      "on r.oid = p.proowner where p.pronamespace in ('pgtide'::regnamespace, "
      "'pgtide_api'::regnamespace) and p.proname ~ '^(broadcast|(capture|truncate)_[0-9])'");
}

// A cluster with a role of that name that owns what is restored, and no other role.
class Elsewhere {
 public:
  explicit Elsewhere(std::string owner) : server(make_cluster()), owner_(std::move(owner)) {
    Session(server.url()).run("create role \"" + owner_ + "\" login createrole");
  }
  // Those that the dump names, as `pg_dumpall --roles-only` brings them.
  void make_roles(const std::string& capture_role, const std::string& application) {
    Session session(server.url());
    session.run("create role " + capture_role + " nologin noinherit");
    session.run("grant " + capture_role + " to " + owner_);
    session.run("create role " + application);
  }
  void drop_roles(const std::string& capture_role, const std::string& application) {
    Session session(server.url());
    session.run("drop role if exists " + capture_role);
    session.run("drop role if exists " + application);
  }

  PrivatePostgres server;

 private:
  std::string owner_;
};

struct Restoring {
  const char* why;
  bool as_owner;      // of the database; else as a superuser
  bool roles;         // those that the dump names are there
  const char* commands;
  const char* error;  // a pattern that each of its errors fits; empty: there is none
};

// What PostgreSQL says of a role that the dump names and that is not there; and, where it is there,
// to an owner who gives it a function: it may not create in the schema.
const char* const no_role = "role \"[a-z0-9_]+\" does not exist";
const char* const no_right = "permission denied for schema pgtide(_api)?";
// It also refuses to drop a partition's key by itself, and then to drop or make what hangs on it.
const char* const of_partition = ".*(parts_low|parts_pkey).*|.*for table \"parts\".*";

// Each error of a restore, without what stands around it.
std::vector<std::string> errors_of(const ProgramEnd& end) {
  std::vector<std::string> errors;
  std::istringstream lines(end.errors);
  for (std::string line; std::getline(lines, line);) {
    const auto at = line.find("ERROR:  ");
    if (at != std::string::npos) errors.push_back(line.substr(at + 8));
  }
  return errors;
}

}  // namespace

TEST_CASE("restore: install makes a restored dump whole, whoever has restored it, and how") {
  const Restoring ways[] = {
      {"superuser", false, true, "pg_restore -d \"$TARGET\" dump", ""},
      {"superuser, at once", false, true, "pg_restore -1 -d \"$TARGET\" dump", ""},
      {"superuser, plain", false, true, "psql -X -q -1 -v ON_ERROR_STOP=1 -f plain \"$TARGET\"",
       ""},
      {"superuser, parallel", false, true, "pg_restore -j 4 -d \"$TARGET\" dump", ""},
      {"superuser without roles", false, false, "pg_restore -d \"$TARGET\" dump || true",
       no_role},
      {"owner", true, true, "pg_restore -d \"$TARGET\" dump || true", no_right},
      {"owner without roles", true, false, "pg_restore -d \"$TARGET\" dump || true", no_role},
      {"owner without roles, plain", true, false, "psql -X -q -f plain \"$TARGET\"", no_role},
      {"owner without roles, parallel", true, false, "pg_restore -j 4 -d \"$TARGET\" dump || true",
       no_role},
      {"owner, over what is there", true, false,
       "pg_restore -O -x -1 -d \"$TARGET\" dump; "
       "pg_restore -O -x --clean --if-exists -d \"$TARGET\" dump || true", of_partition},
      {"superuser, over what is there", false, true,
       "pg_restore -1 -d \"$TARGET\" dump; "
       "pg_restore --clean --if-exists -d \"$TARGET\" dump || true", of_partition},
      {"owner, as a clean dump", true, false,
       "pg_dump -O -x --clean --if-exists \"$SOURCE\" | psql -X -q -1 -v ON_ERROR_STOP=1 -f - "
       "\"$TARGET\"", ""},
      {"owner, all as his own, parallel", true, false, "pg_restore -O -x -j 4 -d \"$TARGET\" dump",
       ""},
      {"owner, all as his own", true, false, "pg_restore -O -x -1 -d \"$TARGET\" dump", ""},
      {"owner, plain", true, false,
       "pg_dump -O -x \"$SOURCE\" | psql -X -q -1 -v ON_ERROR_STOP=1 -f - \"$TARGET\"", ""},
      {"owner, without the log", true, false,
       "pg_dump -O -x --exclude-table-data='pgtide.log*' --exclude-table-data='pgtide.tick*' "
       "\"$SOURCE\" | psql -X -q -1 -v ON_ERROR_STOP=1 -f - \"$TARGET\"", ""},
      {"owner, section by section", true, false,
       "for part in pre-data data post-data; do "
       "pg_restore -O -x --section=$part -d \"$TARGET\" dump; done", ""},
  };
  const Role owner("createrole");
  const Role application;
  Database source("owner " + owner.name());
  if (!can_dump(source)) return;
  REQUIRE(install(source.url(owner.name())).ok());
  source.session(owner.name()).run(contents);
  source.run("grant usage on schema pgtide_api to " + application.name() +
             "; grant execute on function pgtide_api.broadcast(text, json) to " +
             application.name());
  source.session(owner.name())
      .run("insert into posts values (1, 'a'); insert into dms values (1, 'a')");
  const Folder folder;
  const auto dumped = in_shell("pg_dump -Fc -f dump \"$SOURCE\"; pg_dump -f plain \"$SOURCE\"",
                               {"SOURCE=" + source.url()}, folder.path(""));
  REQUIRE_MESSAGE(dumped.code == 0, dumped.errors);
  const std::string capture_role = *source.value("select capture_role from pgtide.meta");
  Elsewhere elsewhere(owner.name());
  for (const Restoring& way : ways) {
    CAPTURE(way.why);
    if (way.roles) elsewhere.make_roles(capture_role, application.name());
    {
      Database target("owner " + owner.name(), elsewhere.server);
      const auto done = in_shell(way.commands,
                                 {"SOURCE=" + source.url(), "TARGET=" + target.url(
                                      way.as_owner ? owner.name() : "postgres")},
                                 folder.path(""));
      CAPTURE(done.errors);
      CHECK(done.code == 0);
      const auto errors = errors_of(done);
      CHECK(errors.empty() == (*way.error == '\0'));
      for (const std::string& error : errors)
        CHECK_MESSAGE(std::regex_match(error, std::regex(way.error)), error);
      const std::string before = newest_change(target);
      target.session(owner.name()).run(writes);
      CHECK(logged_after(target, before) == "");
      CHECK(faults_after(target).find("pgtide install") != std::string::npos);

      std::string warned;
      REQUIRE(install(target.url(owner.name()), {.warn = [&](std::string_view text) {
                warned += text;
              }}).ok());
      CHECK((way.roles || warned.empty()));
      CAPTURE(warned);
      CHECK(faults_after(target) == "");
      CHECK(owners_of_capture(target) == *target.value("select capture_role from pgtide.meta"));
      CHECK(logged_after(target, before) == "dms s\nposts s\nparts s\n");
      const std::string since = newest_change(target);
      target.session(owner.name()).run(writes);
      CHECK(logged_after(target, since) ==
            "posts c 2\ndms u 1\nparts c 3\nparts d 3\nposts t\n");
    }
    elsewhere.drop_roles(capture_role, application.name());
  }
}

// As a restore by a superuser leaves it where the capture role is not there, in the worst case that
// the tables have the numbers that they had.
TEST_CASE("restore: where the role that functions run as is renamed, what is missed is told") {
  for (const bool has_capture_role : {false, true}) {
    CAPTURE(has_capture_role);
    const Role owner(has_capture_role ? "createrole" : "");
    Database database("owner " + owner.name());
    REQUIRE(install(database.url(owner.name())).ok());
    database.session(owner.name()).run(contents);
    const std::string role = owners_of_capture(database);
    CHECK((role != owner.name()) == has_capture_role);
    const std::string before = newest_change(database);
    database.run("alter role " + role + " rename to renamed");
    database.run("insert into posts values (1, 'a')");
    CHECK(newest_change(database) == before);
    const auto seen = database.run("select mend from pgtide.look() where wrong like 'no change%'");
    CHECK(seen == std::vector<Row>(3, Row{"pgtide install"}));
    CHECK(logged_after(database, before) == "dms s\nposts s\nparts s\n");
    const std::string told = newest_change(database);
    if (has_capture_role) database.run("alter role renamed rename to " + role);
    const std::string installer = has_capture_role ? owner.name() : "renamed";
    REQUIRE(install(database.url(installer)).ok());
    if (!has_capture_role) CHECK(logged_after(database, told) == "dms s\nposts s\nparts s\n");
    const std::string whole = newest_change(database);
    database.run("insert into posts values (2, 'b')");
    CHECK(logged_after(database, whole) == "posts c 2\n");
    if (!has_capture_role) database.run("alter role renamed rename to " + owner.name());
  }
}

TEST_CASE("restore: a function runs as nobody but the role that it was written for") {
  const Role owner;
  const Role application;
  InstalledDatabase database("owner " + owner.name());
  database.run(contents);
  database.run("grant usage on schema pgtide_api to " + application.name() +
               "; grant execute on function pgtide_api.broadcast(text, json), "
               "pgtide_api.broadcast_all(json) to " + application.name());
  database.run("insert into dms values (1, 'a')");
  const Role other("superuser");
  database.run("do $$ begin execute format('reassign owned by %I to " + other.name() +
               "', (select capture_role from pgtide.meta)); end $$");
  const std::string before = newest_change(database);
  database.run(writes);
  database.run("update dms set id = 5; delete from dms; truncate parts_low");
  CHECK(newest_change(database) == before);
  Session sends = database.session(application.name());
  for (const char* call : {"select pgtide_api.broadcast('posts', '{}')",
                           "select pgtide_api.broadcast_all('{}')"}) {
    CAPTURE(call);
    const Outcome outcome = sends.attempt(call);
    CHECK(outcome.sqlstate == "55000");
    CHECK(outcome.message.find("runs as role " + other.name()) != std::string::npos);
  }
  const auto seen =
      database.run("select name, mend from pgtide.look() where wrong like 'no change%'");
  CHECK(seen == std::vector<Row>{{"dms", "pgtide install"},
                                 {"posts", "pgtide install"},
                                 {"parts", "pgtide install"}});
  CHECK(logged_after(database, before) == "dms s\nposts s\nparts s\n");
  const std::string told = newest_change(database);
  REQUIRE(install(database.url()).ok());
  CHECK(logged_after(database, told) == "dms s\nposts s\nparts s\n");
  CHECK(faults_after(database) == "");
  const std::string since = newest_change(database);
  database.run("insert into dms values (7, 'x')");
  CHECK(logged_after(database, since) == "dms c 7\n");
  CHECK(sends.attempt("select pgtide_api.broadcast_all('{}')").ok());
}
