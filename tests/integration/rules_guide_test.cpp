#include <doctest/doctest.h>

#include <regex>
#include <sstream>

#include "support/folder.hpp"
#include "support/installed_database.hpp"
#include "support/program.hpp"
#include "support/text.hpp"

// docs/rules.md as it stands: each of its sections with a table, rules and cases is carried out by
// the program. The rest of its blocks are output and JSON.
using namespace pgtide;
using namespace pgtide::test;

namespace {

struct Section {
  std::string heading{};
  std::string sql{};
  std::string commands{};            // sh
  std::vector<std::string> yaml{};   // the rules, the cases
};

std::vector<Section> sections_of(const std::string& page) {
  std::vector<Section> sections(1);
  std::istringstream lines(page);
  std::string* block = nullptr;
  std::string skipped;
  for (std::string line; std::getline(lines, line);) {
    if (block != nullptr) {
      if (line == "```") {
        block = nullptr;
      } else {
        *block += line + "\n";
      }
    } else if (line.starts_with("#")) {
      sections.push_back({.heading = line});
    } else if (line == "```sql") {
      block = &sections.back().sql;
    } else if (line == "```sh") {
      block = &sections.back().commands;
    } else if (line == "```yaml") {
      block = &sections.back().yaml.emplace_back();
    } else if (line.starts_with("```")) {
      block = &skipped;
    }
  }
  std::erase_if(sections, [](const Section& section) { return section.sql.empty(); });
  return sections;
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  return {std::istream_iterator<std::string>(stream), {}};
}

// What the page says to run, or else every table under its own name.
std::vector<std::vector<std::string>> watch_commands(const Section& section, Database& database) {
  std::vector<std::vector<std::string>> commands;
  std::istringstream lines(section.commands);
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> words = words_of(line);
    REQUIRE(words.front() == "pgtide");
    words.erase(words.begin());
    commands.push_back(std::move(words));
  }
  if (!commands.empty()) return commands;
  const char* tables = "select tablename from pg_tables where schemaname = 'public'";
  for (const auto& row : database.run(tables)) commands.push_back({"watch", row[0]});
  return commands;
}

void carry_out(const Section& section) {
  REQUIRE(section.yaml.size() == 2);
  InstalledDatabase database;
  Folder folder;
  const ProgramOptions options{.environment = {"DATABASE_URL=" + database.url()},
                               .folder = folder.path("")};
  database.run(section.sql);
  for (const auto& command : watch_commands(section, database)) {
    const ProgramEnd watched = run_program(command, options);
    CAPTURE(watched.errors);
    REQUIRE(watched.code == 0);
  }
  folder.write("rules.yaml", section.yaml[0]);
  folder.write("cases.yaml", section.yaml[1]);
  const ProgramEnd checked = run_program({"check"}, options);
  CHECK(checked.errors == "");
  const ProgramEnd tested = run_program({"rules", "test", "cases.yaml"}, options);
  CHECK(tested.errors == "");
  CHECK(tested.code == 0);
  CHECK(holds(tested.output, "all as expected"));
  CHECK(!holds(tested.output, "not as expected"));
}

}  // namespace

TEST_CASE("rules guide: every section with a table, rules and cases holds") {
  const auto sections = sections_of(file_text(PGTIDE_SOURCE_DIR "/docs/rules.md"));
  CHECK(sections.size() == 15);  // twelve recipes, and three of the guide itself
  for (const Section& section : sections) {
    SUBCASE(section.heading.c_str()) { carry_out(section); }
  }
}

TEST_CASE("rules guide: what it shows of rules explain is what is printed") {
  const std::string page = file_text(PGTIDE_SOURCE_DIR "/docs/rules.md");
  const std::string prompt = "$ pgtide rules explain --user '";
  const std::size_t start = page.find(prompt);
  REQUIRE(start != std::string::npos);
  const std::size_t user = start + prompt.size();
  const std::size_t output = page.find('\n', start) + 1;
  const std::string user_json = page.substr(user, page.find('\'', user) - user);
  const std::string shown = page.substr(output, page.find("```", output) - output);
  for (const Section& section : sections_of(page)) {
    if (section.heading != "## Every key") continue;
    InstalledDatabase database;
    Folder folder;
    const ProgramOptions options{.environment = {"DATABASE_URL=" + database.url()},
                                 .folder = folder.path("")};
    database.run(section.sql);
    for (const auto& command : watch_commands(section, database)) run_program(command, options);
    folder.write("rules.yaml", section.yaml[0]);
    const ProgramEnd end =
        run_program({"rules", "explain", "--user", user_json, "invoices.*"}, options);
    CHECK(end.errors == "");
    CHECK(end.output == shown);
  }
}
