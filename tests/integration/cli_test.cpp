#include <doctest/doctest.h>

#include <sstream>

#include "capture/schema.hpp"
#include "support/database.hpp"
#include "support/folder.hpp"
#include "support/frame_shape.hpp"
#include "support/program.hpp"
#include "support/text.hpp"

// The commands that end by themselves: what they print, and with which exit code.
using namespace pgtide;
using namespace pgtide::test;

namespace {

ProgramEnd run_on(const Database& database, const std::vector<std::string>& arguments,
                  const std::string& folder = "/") {
  return run_program(arguments,
                     {.environment = {"DATABASE_URL=" + database.url()}, .folder = folder});
}

const std::string nowhere = "host=/nonexistent dbname=x";

}  // namespace

TEST_CASE("cli: wrong usage is exit code 2, on standard error") {
  const std::vector<std::vector<std::string>> cases{
      {},
      {"fly"},
      {"run", "--no-such-flag"},
      {"watch"},
      {"broadcast", "posts"},
      {"token"},
      {"kick"},
      {"token", "--user", "17"},
      {"broadcast", "posts", "1", "2"},
      {"broadcast", "--all", "posts", "1"},
      {"run", "--limits.event-bytes", "many"},
      {"tail", "posts.*", "--url", "http://localhost:1"},
  };
  for (const auto& arguments : cases) {
    const ProgramEnd end = run_program(arguments);
    CAPTURE(arguments.size() > 1 ? arguments[1] : "");
    CAPTURE(end.errors);
    CHECK(end.code == 2);
    CHECK(end.output == "");
    CHECK(end.errors != "");
  }
}

TEST_CASE("cli: --version and --help print, and are exit code 0") {
  const ProgramEnd version = run_program({"--version"});
  CHECK(version.code == 0);
  CHECK(version.output == "pgtide " PGTIDE_VERSION "\n");
  const ProgramEnd help = run_program({"--help"});
  CHECK(help.code == 0);
  for (const char* command :
       {"run", "install", "uninstall", "watch", "unwatch", "acknowledge", "status", "check",
        "tail", "broadcast", "token", "rules", "connections", "kick", "top", "doctor", "demo"}) {
    CAPTURE(command);
    CHECK(holds(help.output, command));
    const ProgramEnd own = run_program({command, "--help"});
    CHECK(own.code == 0);
    CHECK(holds(own.output, command));
    std::istringstream lines(own.output);
    for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 100);
  }
  for (const char* command : {"explain", "test"}) {
    const ProgramEnd own = run_program({"rules", command, "--help"});
    CHECK(own.code == 0);
    std::istringstream lines(own.output);
    for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 100);
  }
  CHECK(holds(run_program({"run", "--help"}).output, "--limits.event-bytes"));
}

TEST_CASE("cli: a failure at run time is exit code 1, and names what to do") {
  const std::vector<std::vector<std::string>> cases{
      {"install"},          {"uninstall"}, {"watch", "posts"},
      {"unwatch", "posts"}, {"status"},    {"broadcast", "posts", "1"}, {"acknowledge"}};
  for (std::vector<std::string> arguments : cases) {
    arguments.insert(arguments.end(), {"--database", nowhere});
    const ProgramEnd end = run_program(arguments);
    CAPTURE(arguments.front());
    CHECK(end.code == 1);
    CHECK(end.errors.starts_with("pgtide: "));
  }
  const ProgramEnd tail = run_program({"tail", "posts.*", "--url", "ws://127.0.0.1:9/x"});
  CHECK(tail.code == 1);
  CHECK(tail.errors.starts_with("pgtide: "));
}

TEST_CASE("cli: an unknown key is an error with file, line, column and the nearest key") {
  Folder folder;
  folder.write("config.yaml", "server:\n  listen: 127.0.0.1:0\nlimits:\n  event_byts: 5\n");
  const ProgramEnd end = run_program({"check"}, {.folder = folder.path("")});
  CHECK(end.code == 2);
  CHECK(end.errors.starts_with(
      "pgtide: config.yaml:4:3: unknown key 'limits.event_byts'; did you mean "
      "limits.event_bytes?\npgtide: connection to server"));  // all at once
}

TEST_CASE("cli: file, environment and flag: each wins over the one before") {
  Folder folder;
  const std::string database = "database:\n  url: \"" + nowhere + "\"\n";
  const auto level_fault = [&](const std::string& file, const std::string& environment,
                               const std::string& flag) {
    folder.write("config.yaml", database + (file.empty() ? "" : "log:\n  level: " + file + "\n"));
    std::vector<std::string> arguments{"check"};
    if (!flag.empty()) arguments.insert(arguments.end(), {"--log.level", flag});
    ProgramOptions options{.folder = folder.path("")};
    if (!environment.empty()) options.environment = {"PGTIDE_LOG_LEVEL=" + environment};
    return run_program(arguments, options).errors;
  };
  // A wrong value tells where it was taken from.
  CHECK(holds(level_fault("filed", "", ""), "config.yaml:4:10: "));
  CHECK(holds(level_fault("info", "envied", ""), "PGTIDE_LOG_LEVEL"));
  CHECK(holds(level_fault("info", "info", "flagged"), "'flagged'"));
  // The database: flag over PGTIDE_DATABASE_URL over file over DATABASE_URL.
  struct Case {
    std::string file;
    std::vector<std::string> environment;
    std::vector<std::string> flags;
    const char* expected;
  };
  const auto url = [](const char* name) { return "host=/nonexistent/" + std::string(name); };
  const Case cases[] = {
      {"", {"DATABASE_URL=" + url("url")}, {}, "url"},
      {"", {"PGHOST=/nonexistent/host"}, {}, "host"},
      {url("file"), {"DATABASE_URL=" + url("url")}, {}, "file"},
      {url("file"), {"PGTIDE_DATABASE_URL=" + url("own")}, {}, "own"},
      {url("file"), {"PGTIDE_DATABASE_URL=" + url("own")}, {"--database", url("flag")}, "flag"},
      {"", {}, {"--database.url", url("flag")}, "flag"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.expected);
    folder.write("config.yaml", one.file.empty() ? "" : "database:\n  url: " + one.file + "\n");
    std::vector<std::string> arguments{"status"};
    arguments.insert(arguments.end(), one.flags.begin(), one.flags.end());
    const ProgramEnd end =
        run_program(arguments, {.environment = one.environment, .folder = folder.path("")});
    CHECK(end.code == 1);
    CAPTURE(end.errors);
    CHECK(holds(end.errors, "/nonexistent/" + std::string(one.expected)));
  }
}

TEST_CASE("cli: a named file that is missing is exit code 2; the usual ones may be missing") {
  Folder folder;
  const ProgramEnd config = run_program({"check", "--config", folder.path("none.yaml")});
  CHECK(config.code == 2);
  CHECK(holds(config.errors, "none.yaml"));
  const ProgramEnd by_environment =
      run_program({"check"}, {.environment = {"PGTIDE_CONFIG=" + folder.path("none.yaml")}});
  CHECK(by_environment.code == 2);
  for (const char* command : {"check", "run"}) {
    const ProgramEnd rules = run_program(
        {command, "--rules", folder.path("none-rules.yaml"), "--server.listen", "127.0.0.1:0"});
    CHECK(rules.code == 2);
    CHECK(holds(rules.errors, "none-rules.yaml"));
  }
  Database database;
  CHECK(run_on(database, {"install"}, folder.path("")).code == 0);
  CHECK(run_on(database, {"check"}, folder.path("")).code == 0);
}

TEST_CASE("cli: faults of rules.yaml are all told, with line and column, and are exit code 2") {
  Folder folder;
  folder.write("rules.yaml", "version: 1\ncolections: {}\nall: nobody\n");
  const ProgramEnd end = run_program({"check"}, {.folder = folder.path("")});
  CHECK(end.code == 2);
  CHECK(holds(end.errors, "rules.yaml:2:1: unknown key 'colections'; did you mean collections?"));
  CHECK(holds(end.errors, "rules.yaml:3:6: "));
  const ProgramEnd as_json = run_program({"check", "--json"}, {.folder = folder.path("")});
  CHECK(as_json.code == 2);
  CHECK(member(as_json.output, "valid") == "false");
  CHECK(holds(member(as_json.output, "problems"), "rules.yaml:2:1: "));
}

TEST_CASE("cli: keys that cannot be used are exit code 2, and lie beside the configuration file") {
  Folder folder;
  const std::string config =
      folder.write("config.yaml", "auth:\n  jwt:\n    secret_file: secret.txt\n");
  const auto errors_of = [&](const std::string& secret) {
    if (!secret.empty()) folder.write("secret.txt", secret);
    const ProgramEnd end = run_program({"check", "--config", config});
    CHECK(end.code == 2);
    CHECK(end.output == "");
    if (!secret.empty()) CHECK(!holds(end.errors, secret));
    return end.errors;
  };
  CHECK(holds(errors_of(""), "auth.jwt.secret_file: " + folder.path("secret.txt") +
                                 " cannot be read"));
  CHECK(holds(errors_of("dropped-keyboard"), "at least 32 bytes"));
}

TEST_CASE("cli: install, watch, status, unwatch, uninstall") {
  Database database;
  const auto in = [&](const std::vector<std::string>& arguments) {
    return run_on(database, arguments);
  };
  database.run(
      "create table posts (id int primary key, t text);"
      "create table keyless (id int);"
      "create table two (a int, b int, unique (a, b));"
      "alter table two alter a set not null, alter b set not null;"
      "create table guarded (id int primary key);"
      "alter table guarded enable row level security;");

  ProgramEnd end = in({"watch", "posts"});
  CHECK(end.code == 1);
  CHECK(holds(end.errors, "pgtide install"));
  end = in({"status"});
  CHECK(end.code == 1);
  CHECK(holds(end.errors, "pgtide install"));

  CHECK(in({"install"}).code == 0);
  CHECK(in({"install"}).code == 0);  // again: nothing changes
  end = in({"watch", "posts"});
  CHECK(end.code == 0);
  CHECK(holds(end.output, "posts"));
  end = in({"watch", "keyless"});
  CHECK(end.code == 1);
  CHECK(holds(end.errors, "no primary key"));
  end = in({"watch", "guarded"});
  CHECK(end.code == 1);
  CHECK(holds(end.errors, "--ignore-rls"));
  CHECK(in({"watch", "guarded", "--ignore-rls", "--without-old-rows"}).code == 0);
  CHECK(in({"watch", "two", "--as", "pairs", "--key", "a,b"}).code == 0);
  CHECK(in({"watch", "nothing"}).code == 1);
  CHECK(in({"watch", "posts", "--as", "no name"}).code == 1);

  end = in({"status"});
  CHECK(end.code == 0);
  for (const char* part : {"posts", "pairs", "guarded", "without old rows"})
    CHECK(holds(end.output, part));
  CHECK(!holds(end.output, "\x1b"));  // no colours: it is no terminal
  end = in({"status", "--json"});
  CHECK(end.code == 0);
  CHECK(member(end.output, "schema_version") == std::to_string(schema_version));

  database.run("alter table posts disable trigger \"!pgtide\"");
  end = in({"status"});
  CHECK(end.code == 1);
  CHECK(holds(end.output, "mend: pgtide watch public.posts"));
  CHECK(in({"status", "--json"}).code == 1);
  CHECK(in({"watch", "public.posts"}).code == 0);
  CHECK(in({"status"}).code == 0);

  CHECK(in({"unwatch", "posts"}).code == 0);
  CHECK(in({"unwatch", "posts"}).code == 1);
  CHECK(database.value("select count(*) from pg_trigger where tgrelid = 'posts'::regclass") == "0");
  CHECK(in({"uninstall"}).code == 0);
  CHECK(database.value("select count(*) from pg_namespace where nspname = 'pgtide'") == "0");
  CHECK(database.value("select count(*) from pg_trigger where not tgisinternal") == "0");
  CHECK(database.value("select count(*) from pg_roles r, pg_database d where "
                       "d.datname = current_database() and r.rolname like 'pgtide%' || d.oid")
        == "0");
}

TEST_CASE("cli: status tells five faults of one mend, and how many more there are") {
  InstalledDatabase database;
  database.run("grant execute on all functions in schema pgtide to public");
  const std::string count =
      *database.value("select json_array_length(pgtide.status() -> 'faults') - 5");
  const ProgramEnd end = run_on(database, {"status"});
  CAPTURE(end.output);
  CHECK(end.code == 1);
  std::istringstream lines(end.output);
  std::vector<std::string> told;
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("    ")) told.push_back(line);
  REQUIRE(told.size() == 7);
  CHECK(holds(told[4], "public has rights on function pgtide."));
  CHECK(told[5] == "    and " + count + " more: pgtide status --json");
  CHECK(told[6] == "    mend: run: pgtide install");
}

TEST_CASE("cli: status and doctor say so where pgtide.status() returns anything else") {
  Database database;
  REQUIRE(install(database.url()).ok());
  const std::string whole = *database.value("select pgtide.status()");
  struct Case {
    std::string returns;
    std::string part;
  };
  const Case cases[] = {
      {"null::json", ""},
      {"'[]'::json", "status"},
      {"'7'::json", "status"},
      {"'{}'::json", "status.schema_version"},
      {"(jsonb_set(old, '{collections}', '5'))::json", "status.collections"},
      {"(jsonb_set(old, '{collections}', '[null]'))::json", "status.collections[]"},
      {"(jsonb_set(old, '{collections}', '[{\"name\": \"a\", \"table\": 1, \"key\": 2, "
       "\"wrong\": null, \"mend\": 1, \"old_rows\": \"yes\"}]'))::json",
       "status.collections[].old_rows"},
      {"(jsonb_set(old, '{faults}', '[{\"wrong\": 1}]'))::json", "status.faults[].mend"},
      {"(jsonb_set(old, '{faults}', '{}'))::json", "status.faults"},
      {"(jsonb_set(old, '{leader}', '\"me\"'))::json", "status.leader"},
      {"(jsonb_set(old, '{last_tick}', '{\"number\": 1}'))::json", "status.last_tick.at"},
      {"(old - 'owner')::json", "status.owner"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.returns);
    database.run("create or replace function pgtide.status() returns json language sql as $$ "
                 "select " + one.returns + " from (select $j$" + whole + "$j$::jsonb) o(old) $$");
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"status"}, {"status", "--json"}, {"doctor"}}) {
      const ProgramEnd end = run_on(database, command);
      CHECK(end.code == 1);
      const std::string said = end.output + end.errors;
      CHECK_MESSAGE(holds(said, one.part + (one.part.empty() ? "" : " is missing or of another")),
                    said);
      if (!one.part.empty()) CHECK(holds(said, "run: pgtide install"));
    }
  }
}

TEST_CASE("cli: check holds the rules against the database") {
  Database database;
  Folder folder;
  REQUIRE(run_on(database, {"install"}).code == 0);
  database.run("create table posts (id int primary key)");
  folder.write("rules.yaml",
               "version: 1\ncollections:\n  posts:\n    subscribe: public\n  news: {}\n");
  ProgramEnd end = run_on(database, {"check"}, folder.path(""));
  CHECK(end.code != 0);
  CHECK(holds(end.errors, "rules.yaml:3:3: posts: "));
  CHECK(holds(end.errors, "run: pgtide watch public.posts"));
  REQUIRE(run_on(database, {"watch", "posts"}).code == 0);
  end = run_on(database, {"check"}, folder.path(""));
  CHECK(end.code == 0);
  CHECK(end.errors == "");
  CHECK(holds(end.output, "valid"));
  end = run_on(database, {"check", "--json"}, folder.path(""));
  CHECK(member(end.output, "valid") == "true");
}

namespace {

// posts(id, author_id, title, email), watched, and its rules in a folder.
struct RuledDatabase {
  RuledDatabase() {
    REQUIRE(in({"install"}).code == 0);
    database.run(
        "create table posts (id int primary key, author_id bigint, title text, email text)");
    REQUIRE(in({"watch", "posts"}).code == 0);
    write_rules("[email]");
  }
  void write_rules(const std::string& hide) {
    folder.write("rules.yaml",
                 "version: 1\ncollections:\n  posts:\n    subscribe: authenticated\n"
                 "    where: string(record.author_id) == user.id || 'editor' in user.roles\n"
                 "    hide: " + hide + "\n");
  }
  ProgramEnd in(const std::vector<std::string>& arguments) {
    return run_on(database, arguments, folder.path(""));
  }
  ProgramEnd explain(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"rules", "explain"});
    return in(arguments);
  }
  ProgramEnd test(const std::string& cases, std::vector<std::string> arguments = {}) {
    folder.write("cases.yaml", "version: 1\ncases:\n" + cases);
    arguments.insert(arguments.begin(), {"rules", "test", "cases.yaml"});
    return in(arguments);
  }
  Database database;
  Folder folder;
};

}  // namespace

TEST_CASE("cli: rules explain prints what a user gets, and which lines say so") {
  RuledDatabase world;
  ProgramEnd end = world.explain({"--user", R"({"id":17,"roles":["author"]})", "posts.*"});
  CHECK(end.code == 0);
  CHECK(end.errors == "");
  CHECK(end.output ==
        "user       17, roles author\n"
        "pattern    posts.*\n"
        "subscribe  allowed by subscribe: authenticated (rules.yaml:4:16)\n"
        "rows       string(record.author_id) == '17'\n"
        "           by where: string(record.author_id) == user.id || 'editor' in user.roles "
        "(rules.yaml:5:12)\n"
        "columns    id, author_id, title\n"
        "hidden     email by hide (rules.yaml:6:12)\n");
  end = world.explain({"posts.1"});
  CHECK(end.code == 0);  // an answer, too
  CHECK(end.output ==
        "user       anonymous\n"
        "pattern    posts.1\n"
        "subscribe  denied, since subscribe: authenticated (rules.yaml:4:16)\n");
  world.folder.write("rules.yaml",
                     "version: 1\ncollections:\n  posts:\n    subscribe: public\n"
                     "    where: |\n      record.title != null\n      || record.id > 5\n");
  CHECK(holds(world.explain({"posts.*"}).output,
              "by where: record.title != null || record.id > 5 (rules.yaml:6:7)\n"));
  world.write_rules("[email]");
  end = world.explain({"--user", R"({"id":1,"roles":["editor"]})", "posts.*", "--json"});
  CHECK(end.code == 0);
  CHECK(member(end.output, "allowed") == "true");
  CHECK(holds(member(end.output, "collections"), "\"rows\":\"every row\""));
  CHECK(holds(member(end.output, "collections"), R"("hidden":["email"])"));
  CHECK(member(end.output, "problems") == "[]");
}

TEST_CASE("cli: rules explain tells what is wrong between rules and database, as check does") {
  RuledDatabase world;
  world.write_rules("[emial]");
  const ProgramEnd checked = world.in({"check"});
  const ProgramEnd end = world.explain({"--user", "{id: 17}", "posts.*"});
  CHECK(end.code == 2);
  CHECK(end.errors == checked.errors);
  CHECK(holds(end.errors, "rules.yaml:6:12: posts: table public.posts has no column emial"));
  CHECK(holds(end.output, "denied, since the collection is closed"));
  const ProgramEnd as_json = world.explain({"posts.*", "--json"});
  CHECK(as_json.code == 2);
  CHECK(holds(member(as_json.output, "problems"), "emial"));
}

TEST_CASE("cli: check tells the faults of settings, rules and database at once") {
  RuledDatabase world;
  world.folder.write("config.yaml", "auth: {jwt: {public_key_file: nowhere.pem}}\n");
  world.write_rules("[emial]\n    deleted_record: whole\n"
                    "  comments: {where: a &&, table: comments}");
  const ProgramEnd end = world.in({"check"});
  CHECK(end.code == 2);
  for (const char* fault :
       {"nowhere.pem cannot be read",
        "rules.yaml:6:12: posts: table public.posts has no column emial",
        "rules.yaml:7:21: posts.deleted_record must be key or full",
        "rules.yaml:8:25: comments.where: ", "rules.yaml:8:34: comments.table must be"}) {
    CAPTURE(fault);
    CHECK(holds(end.errors, fault));
  }
  CHECK(!holds(end.errors, "comments is not watched"));  // the file does not say which table it is
}

TEST_CASE("cli: rules explain and rules test refuse what they cannot read, with its place") {
  RuledDatabase world;
  struct Case {
    std::vector<std::string> arguments;
    const char* errors;
  };
  const Case cases[] = {
      {{"rules", "explain", "posts.*", "--user", "{id: [], role: x}"},
       "pgtide: --user:1:6: id must be a text that is not empty, or a whole number\n"
       "pgtide: --user:1:10: unknown key 'role'; did you mean roles?\n"},
      {{"rules", "explain", "no pattern"}, nullptr},
      {{"rules", "explain"}, nullptr},
      {{"rules", "test"}, nullptr},
      {{"rules"}, nullptr},
      {{"rules", "test", "none.yaml"},
       "pgtide: none.yaml: cannot be read: No such file or directory\n"},
  };
  for (const Case& one : cases) {
    const ProgramEnd end = world.in(one.arguments);
    CAPTURE(end.errors);
    CHECK(end.code == 2);
    CHECK(end.output == "");
    if (one.errors != nullptr) CHECK(end.errors == one.errors);
  }
  ProgramEnd end = world.test("  - {name: n, pattern: posts.*, expect: maybe, usr: x}\n");
  CHECK(end.code == 2);
  CHECK(end.errors ==
        "pgtide: cases.yaml:3:41: expect must be one of denied, nothing, create, update, delete, "
        "custom; not 'maybe'\n"
        "pgtide: cases.yaml:3:48: unknown key 'usr'; did you mean user?\n");
  end = world.test(
      "  - {name: n, pattern: posts.*, row: {id: 1, titel: x, email: 5}, expect: nothing}\n");
  CHECK(end.code == 2);
  CHECK(end.errors ==
        "pgtide: cases.yaml:3:46: table public.posts has no column 'titel'; did you mean title?\n"
        "pgtide: cases.yaml:3:63: email is text: this is no value of it; write it between "
        "quotes\n");
  CHECK(run_program({"rules", "explain", "posts.*", "--database", nowhere}).code == 1);
}

TEST_CASE("cli: rules test prints a line for each case that fails, and a summary") {
  RuledDatabase world;
  const std::string good =
      "  - name: an author sees his post\n    user: {id: 17}\n    pattern: posts.*\n"
      "    row: {id: 1, author_id: 17, email: a@example.org}\n    expect: create\n"
      "    columns: [id, author_id, title]\n";
  ProgramEnd end = world.test(good);
  CHECK(end.code == 0);
  CHECK(end.output == "1 case, all as expected\n");
  CHECK(end.errors == "");
  const std::string bad =
      "  - name: a stranger sees it\n    user: {id: 18}\n    pattern: posts.*\n"
      "    row: {id: 1, author_id: 17}\n    expect: create\n"
      "  - name: with his address\n    user: {id: 17}\n    pattern: posts.*\n"
      "    row: {id: 1, author_id: 17}\n    expect: create\n"
      "    columns: [id, email]\n";
  end = world.test(good + bad);
  CHECK(end.code == 1);
  CHECK(end.output ==
        "cases.yaml:9:5: a stranger sees it: expected create, got nothing\n"
        "cases.yaml:14:5: with his address: expected create [email, id], got create [author_id, "
        "id, title]\n"
        "3 cases, 2 not as expected\n");
  end = world.test(good + bad, {"--json"});
  CHECK(end.code == 1);
  CHECK(member(end.output, "cases") == "3");
  CHECK(holds(member(end.output, "failed"), R"("place":"cases.yaml:9:5")"));
  world.write_rules("[emial]");
  end = world.test(good);
  CHECK(end.code == 2);
  CHECK(holds(end.errors, "rules.yaml:6:12: "));
}

TEST_CASE("cli: status shows a collection that the rules have closed, and is exit code 1") {
  RuledDatabase world;
  CHECK(world.in({"status"}).code == 0);
  REQUIRE(world.in({"watch", "posts", "--without-old-rows"}).code == 0);
  ProgramEnd end = world.in({"status"});
  CHECK(end.code == 1);
  CHECK(holds(end.output, "rules.yaml:3:3: posts: `where` needs the old rows"));
  end = world.in({"status", "--json"});
  CHECK(end.code == 1);
  CHECK(holds(member(end.output, "rules"), "needs the old rows"));
  world.folder.write("rules.yaml", "version: 1\ncolections: {}\n");
  end = world.in({"status"});
  CHECK(end.code == 1);
  CHECK(holds(end.output, "rules.yaml:2:1: unknown key"));
}

TEST_CASE("cli: a role without rights is told which GRANT is missing") {
  Role owner;
  Role other;
  Database database("owner " + owner.name());
  const auto as = [&](const Role& role, const std::vector<std::string>& arguments) {
    return run_program(arguments, {.environment = {"DATABASE_URL=" + database.url(role.name())}});
  };
  CHECK(as(owner, {"install"}).code == 0);
  Session(database.url()).run("create table theirs (id int primary key)");  // the superuser's
  ProgramEnd end = as(owner, {"watch", "theirs"});
  CHECK(end.code == 1);
  CHECK(holds(end.errors, "GRANT"));
  end = as(other, {"broadcast", "news", "1"});
  CHECK(end.code == 1);
  CHECK(holds(end.errors, "GRANT"));
  CHECK(as(owner, {"broadcast", "news", "1"}).code == 0);
}
