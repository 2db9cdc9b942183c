#include <doctest/doctest.h>

#include <future>

#include "support/serving.hpp"

// Whose schema pgtide it is, and whom its code runs for.
using namespace pgtide::test;

namespace {

ProgramEnd act(const std::string& role, const Database& database, const Folder& folder,
              const std::vector<std::string>& arguments, const std::string& options = "") {
  return run_program(arguments, {.environment = {"DATABASE_URL=" + database.url(role),
                                                 "PGOPTIONS=" + options},
                                 .folder = folder.path("")});
}

// A schema pgtide whose functions count how often they are called.
const char* const trap = R"(
    create schema pgtide; grant usage on schema pgtide to public;
    create schema pgtide_api; grant usage on schema pgtide_api to public;
    create sequence pgtide.current; grant all on sequence pgtide.current to public;
    create sequence pgtide.called; grant all on sequence pgtide.called to public;
    create function pgtide.noted() returns int language sql volatile as
      $$ select nextval('pgtide.called')::int $$;
    create table pgtide.meta (schema_version int);
    insert into pgtide.meta values (3);
    create table pgtide.real_collection (id int, name text, relation oid);
    create view pgtide.collection as select pgtide.noted() as id, 'posts'::text as name,
      'posts'::regclass::oid as relation;
    create function pgtide.status() returns json language sql as
      $$ select json_build_object('called', pgtide.noted()) $$;
    create function pgtide.watch(regclass, text, text[], boolean, boolean) returns text
      language sql as $$ select pgtide.noted()::text $$;
    create function pgtide.unwatch(regclass) returns void language sql as
      $$ select pgtide.noted() $$;
    create function pgtide.forget(text) returns void language sql as $$ select pgtide.noted() $$;
    create function pgtide.uninstall() returns void language sql as $$ select pgtide.noted() $$;
    create function pgtide_api.broadcast(text, json) returns void language sql as
      $$ select pgtide.noted() $$)";

// None of the commands runs what is in the trap, and each says whose it is.
void check_commands(Database& database, const Folder& folder, const std::string& maker,
                    const std::string& operator_role, const std::string& install_says = "") {
  const std::vector<std::vector<std::string>> commands{
      {"status"}, {"doctor"}, {"check"}, {"watch", "posts"}, {"unwatch", "posts"},
      {"uninstall"}, {"broadcast", "posts", "{}"}, {"install"}};
  for (const auto& command : commands) {
    CAPTURE(command.front());
    const ProgramEnd end = act(operator_role, database, folder, command);
    CHECK(end.code != 0);
    const std::string said = end.output + end.errors;
    const bool other = command.front() == "install" && !install_says.empty();
    CHECK_MESSAGE(holds(said, other ? install_says : "belongs to role " + maker), said);
    CHECK(database.value("select is_called from pgtide.called") == "f");
  }
}

ProgramEnd by_superuser(const Database& database, const Folder& folder,
                        const std::vector<std::string>& arguments) {
  return act("postgres", database, folder, arguments);
}

}  // namespace

TEST_CASE("locks: install refuses a schema that somebody else made, unless told whose it is") {
  Role maker;
  Database database;
  Folder folder;
  database.run("grant create on database " + database.name() + " to " + maker.name());
  Session other = database.session(maker.name());
  other.run("create schema pgtide; create table pgtide.meta (schema_version int); "
            "insert into pgtide.meta values (1)");
  const ProgramEnd refused = by_superuser(database, folder, {"install"});
  CHECK(refused.code == 1);
  CHECK_MESSAGE(holds(refused.errors, "belongs to role " + maker.name()), refused.errors);
  CHECK(holds(refused.errors, "pgtide install --owner " + maker.name()));
  other.run("drop table pgtide.meta");
  const ProgramEnd told = by_superuser(database, folder, {"install", "--owner", maker.name()});
  CHECK_MESSAGE(told.code == 0, told.errors);
  CHECK(holds(told.output, "belongs to role " + maker.name()));
  CHECK(holds(by_superuser(database, folder, {"doctor"}).output,
              "belongs to role " + maker.name()));
  CHECK(by_superuser(database, folder, {"install"}).code == 1);
  CHECK(by_superuser(database, folder, {"install", "--owner", "postgres"}).code == 1);
  CHECK(by_superuser(database, folder, {"install", "--owner", maker.name()}).code == 0);

  Database own;
  own.run("create schema pgtide; create table pgtide.notes (n int)");
  const ProgramEnd foreign = by_superuser(own, folder, {"install"});
  CHECK(foreign.code == 1);
  CHECK_MESSAGE(holds(foreign.errors, "has no table meta"), foreign.errors);
  CHECK(by_superuser(own, folder, {"install", "--owner", "postgres"}).code == 0);
}

TEST_CASE("locks: no command of a superuser calls what is in a schema that a stranger made") {
  Role maker;
  Database database;
  Folder folder;
  folder.write("rules.yaml", "version: 1\ncollections:\n  posts:\n    subscribe: public\n");
  database.run("create table posts (id bigint primary key)");
  database.run("grant create on database " + database.name() + " to " + maker.name());
  Session stranger = database.session(maker.name());
  stranger.run(trap);
  check_commands(database, folder, maker.name(), "postgres");
}

// Whoever makes a schema pgtide at the moment at which the operator drops his: in one transaction
// here, which a stranger comes close to by ALTER SCHEMA ... RENAME in a loop. `call` begins while
// that transaction is open, and waits for it.
template <class Call>
void replace_under(Database& database, const Role& maker, Call&& call) {
  Session dropper = database.session();
  dropper.run("begin; alter sequence pgtide.current owner to postgres");  // as uninstall() does
  dropper.run("drop schema pgtide cascade; drop schema pgtide_api cascade");
  dropper.run("set local role " + maker.name());
  dropper.run(trap);
  auto ended = std::async(std::launch::async, call);
  eventually([&] {
    return database.value("select exists (select from pg_locks where not granted)") == "t";
  });
  dropper.run("commit");
  ended.get();
  CHECK(database.value("select is_called from pgtide.called") == "f");
}

TEST_CASE("locks: no command calls a schema that replaced its own while it waited for a lock") {
  const std::vector<std::vector<std::string>> commands{
      {"status"}, {"watch", "posts"}, {"unwatch", "posts"}, {"uninstall"}, {"install"}};
  for (const auto& command : commands) {
    CAPTURE(command.front());
    Role maker;
    Stage stage;
    stage.database.run("grant create on database " + stage.database.name() + " to " +
                       maker.name());
    replace_under(stage.database, maker, [&] {
      const ProgramEnd end = by_superuser(stage.database, stage.folder, command);
      CHECK(end.code != 0);
      const std::string said = end.output + end.errors;
      CHECK_MESSAGE((holds(said, "made by somebody else") || holds(said, "made anew")), said);
    });
  }
}

TEST_CASE("locks: no bridge calls a schema that replaced its own while it waited for a lock") {
  Role maker;
  Stage stage;
  stage.database.run("grant create on database " + stage.database.name() + " to " + maker.name());
  Serving serving(stage, "port");
  replace_under(stage.database, maker, [&] {
    eventually(
        [&] { return http(serving.address(), "GET /readyz").status == 503; }, patience,
        [&] { return serving.program->errors(); });
    eventually([&] { return serving.lines_with("belongs to role " + maker.name()).size() > 0; },
               patience, [&] { return serving.program->errors(); });
  });
}

TEST_CASE("locks: a superuser who acts as the schema's owner uses it as the owner does") {
  Role owner;
  Database database;
  Folder folder;
  database.run("grant create on database " + database.name() + " to " + owner.name());
  REQUIRE(by_superuser(database, folder, {"install", "--owner", owner.name()}).code == 0);
  const ProgramEnd refused = by_superuser(database, folder, {"status"});
  CHECK(refused.code == 1);
  const std::string way = "export PGOPTIONS='-c role=" + owner.name() + "'";
  CHECK_MESSAGE(holds(refused.errors, way), refused.errors);
  const ProgramEnd shown =
      run_program({"status"}, {.environment = {"DATABASE_URL=" + database.url(),
                                               "PGOPTIONS=-c role=" + owner.name()},
                               .folder = folder.path("")});
  CHECK_MESSAGE(shown.code == 0, shown.errors);
}

TEST_CASE("locks: a role that a database sets for a superuser is not whom the superuser trusts") {
  Role owner;
  Database database("owner " + owner.name());
  Folder folder;
  database.run("alter database " + database.name() + " set role = '" + owner.name() + "'");
  const ProgramEnd refused = by_superuser(database, folder, {"install"});
  CHECK(refused.code == 1);
  CHECK_MESSAGE(holds(refused.errors, "was set for this session"), refused.errors);
  Session stranger = database.session(owner.name());
  stranger.run("create schema pgtide; create table pgtide.meta (schema_version int); "
               "create sequence pgtide.called; create function pgtide.status() returns json "
               "language sql as $$ select json_build_object('n', nextval('pgtide.called')) $$; "
               "insert into pgtide.meta values (3)");
  const ProgramEnd status = by_superuser(database, folder, {"status"});
  CHECK(status.code == 1);
  CHECK_MESSAGE(holds(status.errors, "belongs to role " + owner.name()), status.errors);
  CHECK(stranger.value("select is_called from pgtide.called") == "f");
}

TEST_CASE("locks: an operator who may do more than a schema's owner runs none of its code") {
  const char* const more[] = {"createrole", "createdb", "bypassrls", "replication", "in role"};
  for (const std::string attribute : more) {
    CAPTURE(attribute);
    const Role maker;
    const Role group;
    const Role member(attribute == "in role" ? "in role " + group.name() : attribute);
    Database database;
    Folder folder;
    folder.write("rules.yaml", "version: 1\ncollections:\n  posts:\n    subscribe: public\n");
    database.run("create table posts (id bigint primary key); grant create on database " +
                 database.name() + " to " + maker.name() + "; grant " + maker.name() + " to " +
                 member.name());
    Session stranger = database.session(maker.name());
    stranger.run(trap);
    check_commands(database, folder, maker.name(), member.name());
    const ProgramEnd told = act(member.name(), database, folder, {"status"});
    const std::string way = "-c pgtide.owner=" + maker.name();
    CHECK_MESSAGE(holds(told.errors, "export PGOPTIONS='" + way + "'"), told.errors);
    // Trust that the maker himself has written into the database's settings is none.
    database.run("alter database " + database.name() + " set \"Pgtide.Owner\" = '" +
                 maker.name() + "'");
    CHECK(act(member.name(), database, folder, {"status"}).code == 1);
    CHECK(database.value("select is_called from pgtide.called") == "f");
    database.run("alter database " + database.name() + " reset all");
    for (const std::string& said : {way, "-c role=" + maker.name()}) {
      database.run("alter sequence pgtide.called restart");
      act(member.name(), database, folder, {"status"}, said);
      CHECK(database.value("select is_called from pgtide.called") == "t");
    }
  }
}

TEST_CASE("locks: a role that a database sets for an operator is not whom the operator trusts") {
  const Role maker;
  const Role member("createrole");
  Database database("owner " + maker.name());
  Folder folder;
  folder.write("rules.yaml", "version: 1\ncollections:\n  posts:\n    subscribe: public\n");
  database.run("create table posts (id bigint primary key); grant " + maker.name() + " to " +
               member.name());
  Session stranger = database.session(maker.name());
  stranger.run("alter database " + database.name() + " set role = '" + maker.name() + "'");
  const ProgramEnd refused = act(member.name(), database, folder, {"install"});
  CHECK(refused.code == 1);
  CHECK_MESSAGE(holds(refused.errors, "was set for this session"), refused.errors);
  stranger.run(trap);
  check_commands(database, folder, maker.name(), member.name(), "was set for this session");
}

TEST_CASE("locks: a member who may do no more than the schema's owner needs to say nothing") {
  const Role group;
  const Role owner("createrole in role " + group.name());
  Database database("owner " + owner.name());
  const Role member("in role " + owner.name() + ", " + group.name());
  const Role sender;
  Folder folder;
  REQUIRE(act(owner.name(), database, folder, {"install"}).code == 0);
  Session session = database.session(member.name());
  database.run("grant create on schema public to " + member.name());
  session.run("create table posts (id bigint primary key)");
  folder.write("rules.yaml", "version: 1\ncollections:\n  posts:\n    subscribe: public\n");
  const std::vector<std::vector<std::string>> commands{
      {"watch", "posts"}, {"status"}, {"check"}, {"broadcast", "posts", "{}"},
      {"unwatch", "posts"}};
  for (const auto& command : commands) {
    CAPTURE(command.front());
    const ProgramEnd end = act(member.name(), database, folder, command);
    CHECK_MESSAGE(end.code == 0, end.errors);
  }
  // What the commands themselves say is to be granted does not shut the member out.
  const std::string grant = "GRANT pg_read_all_stats TO " + owner.name() + ";";
  const ProgramEnd blind = act(member.name(), database, folder, {"status"});
  CHECK_MESSAGE(holds(blind.output, grant), blind.output);
  database.run(grant);
  const ProgramEnd seeing = act(member.name(), database, folder, {"status"});
  CHECK_MESSAGE(holds(seeing.output, "no transaction that writes is open"), seeing.output);
}

