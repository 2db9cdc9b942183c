#include <doctest/doctest.h>

#include <sstream>

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
  for (const char* command : {"run", "install", "uninstall", "watch", "unwatch", "status", "check",
                              "tail", "broadcast", "token", "connections", "kick", "demo"}) {
    CAPTURE(command);
    CHECK(holds(help.output, command));
    const ProgramEnd own = run_program({command, "--help"});
    CHECK(own.code == 0);
    CHECK(holds(own.output, command));
    std::istringstream lines(own.output);
    for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 100);
  }
  CHECK(holds(run_program({"run", "--help"}).output, "--limits.event-bytes"));
}

TEST_CASE("cli: a failure at run time is exit code 1, and names what to do") {
  const std::vector<std::vector<std::string>> cases{
      {"install"},          {"uninstall"}, {"watch", "posts"},
      {"unwatch", "posts"}, {"status"},    {"broadcast", "posts", "1"}};
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
  CHECK(end.errors ==
        "pgtide: config.yaml:4:3: unknown key 'limits.event_byts'; did you mean "
        "limits.event_bytes?\n");
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
  CHECK(member(end.output, "schema_version") == "1");

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
  CHECK(database.value("select count(*) from pg_roles where rolname like '%pgtide%'") == "0");
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
  CHECK(holds(end.errors, "run: pgtide watch posts"));
  REQUIRE(run_on(database, {"watch", "posts"}).code == 0);
  end = run_on(database, {"check"}, folder.path(""));
  CHECK(end.code == 0);
  CHECK(end.errors == "");
  CHECK(holds(end.output, "valid"));
  end = run_on(database, {"check", "--json"}, folder.path(""));
  CHECK(member(end.output, "valid") == "true");
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
