#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "support/serving.hpp"

// `pgtide doctor`, as somebody calls it who does not know what is wrong.
using namespace pgtide::test;

namespace {

ProgramEnd doctor(const Stage& stage, const std::vector<std::string>& command = {"doctor"}) {
  return run_program(command, {.environment = {"DATABASE_URL=" + stage.database.url()},
                               .folder = stage.folder.path("")});
}

// The lines about one subject, each as "verdict text".
std::vector<std::string> findings(const ProgramEnd& end, const std::string& subject) {
  std::vector<std::string> found;
  const auto answer = nlohmann::json::parse(end.output);
  for (const auto& finding : answer.at("findings")) {
    if (finding.at("subject") != subject) continue;
    found.push_back(finding.at("verdict").get<std::string>() + " " +
                    finding.at("text").get<std::string>());
  }
  return found;
}

bool any_holds(const std::vector<std::string>& lines, const std::string& part) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return holds(line, part); });
}

}  // namespace

TEST_CASE("doctor: where all is well it says so of each thing, and is exit code 0") {
  const Stage stage;
  const Serving serving(stage, "port");
  const ProgramEnd end = doctor(stage);
  CHECK(end.code == 0);
  CHECK(end.errors.empty());
  for (const char* line :
       {"ok    database      PostgreSQL ", "ok    clock ", "ok    connections ",
        "ok    transactions ", "ok    settings      configuration and rules are valid",
        "ok    schema        version ",
        "ok    leader        backend ", "ok    log ", "ok    tables        1 watched",
        "ok    descriptors ", "ok    memory        clients may make a bridge hold ", "somaxconn"}) {
    CAPTURE(line);
    CHECK(holds(end.output, line));
  }
  CHECK(!holds(end.output, "mend"));
}

TEST_CASE("doctor: what is wrong is named with its mend, all of it at once") {
  Stage stage;
  stage.database.run("alter table posts disable trigger all");
  stage.folder.write("rules.yaml",
                     "version: 1\ncollections:\n  posts:\n    subscribe: public\n"
                     "    hide: [titel]\n");
  const ProgramEnd end =
      Program("/bin/sh", {"-c", "ulimit -n 300; exec " PGTIDE_PROGRAM " doctor --json"},
              {.environment = {"DATABASE_URL=" + stage.database.url()},
               .folder = stage.folder.path("")})
          .wait();
  CHECK(end.code == 1);
  CHECK(nlohmann::json::parse(end.output).at("well") == false);
  CHECK(any_holds(findings(end, "table posts"), "mend "));
  CHECK(any_holds(findings(end, "table posts"), "; run: "));
  CHECK(any_holds(findings(end, "settings"), "did you mean title?"));
  CHECK(any_holds(findings(end, "descriptors"), "raise LimitNOFILE"));
  CHECK(any_holds(findings(end, "leader"), "note no bridge runs"));
  CHECK(any_holds(findings(end, "database"), "ok PostgreSQL "));
}

TEST_CASE("doctor: without a database it says why, and looks at the rest") {
  const Stage stage;
  const ProgramEnd end = run_program(
      {"doctor", "--json", "--database.url", "host=/nowhere dbname=x"},
      {.folder = stage.folder.path("")});
  CHECK(end.code == 1);
  CHECK(any_holds(findings(end, "database"), "mend "));
  CHECK(findings(end, "descriptors").size() == 1);
  CHECK(findings(end, "memory").size() == 1);
  const ProgramEnd greedy = run_program(
      {"doctor", "--json", "--database.url", "host=/nowhere dbname=x", "--limits.memory-bytes",
       "1099511627776"},
      {.folder = stage.folder.path("")});
  CHECK(any_holds(findings(greedy, "memory"), "mend "));
  CHECK(any_holds(findings(greedy, "memory"), "lower limits.memory_bytes"));
  const ProgramEnd wrong = run_program({"doctor", "--limits.connections", "many"},
                                       {.folder = stage.folder.path("")});
  CHECK(wrong.code == 2);
}

TEST_CASE("doctor: the capture role of a database that was dropped is named, and can be dropped") {
  const Stage stage;
  std::string role;
  {
    Database gone;
    install_in(gone);
    role = *gone.value("select capture_role from pgtide.meta");
    CHECK(!holds(doctor(stage).output, role));
  }
  Database other;
  // The first ten are named: those of other tests go first.
  other.run("do $$ declare r name; begin for r in select rolname from pg_roles r where rolname ~ "
            "'^pgtide_capture_[0-9]+$' and rolname <> '" + role + "' and not exists (select from "
            "pg_database d where r.rolname = 'pgtide_capture_' || d.oid) loop execute "
            "format('drop role %I', r); end loop; end $$");
  const std::string drops = "DROP ROLE " + role + ";";
  CHECK(holds(doctor(stage).output, "1 of databases that no longer exist; run: " + drops));
  other.run(drops);
  CHECK(!holds(doctor(stage).output, "that no longer exist"));
}

TEST_CASE("doctor: predicate locks on the log are told, with the setting that they need") {
  Stage stage;
  CHECK(findings(doctor(stage, {"doctor", "--json"}), "predicate locks").empty());
  // What a transaction has itself created it looks for in the log before it deletes it.
  Session writer = stage.database.session();
  writer.run("begin isolation level serializable");
  writer.run("insert into posts (id, title) values (77, 'a'); delete from posts where id = 77");
  const ProgramEnd end = doctor(stage, {"doctor", "--json"});
  CHECK(any_holds(findings(end, "predicate locks"), "note SERIALIZABLE transactions hold "));
  CHECK(any_holds(findings(end, "predicate locks"), "raise max_pred_locks_per_transaction (is 64"));
  writer.run("rollback");
}

TEST_CASE("doctor: a database without pgtide, and a secret that all may read") {
  const Database database;
  const Folder folder;
  const std::string config = folder.write(
      "config.yaml", "auth:\n  jwt:\n    secret: " + std::string(40, 's') + "\n");
  std::filesystem::permissions(config, std::filesystem::perms(0644));
  const ProgramEnd end = run_program({"doctor", "--json"},
                                     {.environment = {"DATABASE_URL=" + database.url()},
                                      .folder = folder.path("")});
  CHECK(end.code == 1);
  CHECK(any_holds(findings(end, "schema"), "run: pgtide install"));
  CHECK(any_holds(findings(end, "settings"), "chmod"));
  CHECK(!holds(end.output, std::string(40, 's')));
}
