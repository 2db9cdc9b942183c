// docs/rules.md is tried as it stands: its table of types holds for the JSON it shows.
#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <sstream>

#include "support/text.hpp"
#include "unit/expression_fixture.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

// The cells of a table's line, without the backticks around them.
std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::size_t from = 1;
  for (std::size_t end = line.find('|', 1); end != std::string::npos; end = line.find('|', from)) {
    std::string cell = line.substr(from, end - from);
    cell.erase(0, cell.find_first_not_of(' '));
    cell.erase(cell.find_last_not_of(' ') + 1);
    if (cell.size() > 1 && cell.front() == '`') cell = cell.substr(1, cell.size() - 2);
    cells.push_back(cell);
    from = end + 1;
  }
  return cells;
}

std::vector<std::vector<std::string>> table_after(const std::string& heading) {
  std::istringstream file(file_text(PGTIDE_SOURCE_DIR "/docs/rules.md"));
  std::vector<std::vector<std::string>> rows;
  std::string line;
  while (std::getline(file, line) && line != heading) continue;
  while (std::getline(file, line) && !line.starts_with("|---")) continue;
  while (std::getline(file, line) && line.starts_with("|")) rows.push_back(cells_of(line));
  return rows;
}

std::optional<ColumnKind> kind_of(std::string_view name) {
  using enum ColumnKind;
  static const std::map<std::string, ColumnKind, std::less<>> kinds{
      {"boolean", boolean},     {"number", number}, {"text", text},
      {"timestamp", timestamp}, {"day", day},       {"json", json}};
  const auto found = kinds.find(name);
  return found == kinds.end() ? std::nullopt : std::optional(found->second);
}

ColumnType column_type(const std::string& name, std::string_view kind) {
  const std::string_view list = "list of ";
  if (!kind.starts_with(list)) return {kind_of(kind).value(), ColumnKind::json, name};
  return {ColumnKind::list, kind_of(kind.substr(list.size())).value(), name};
}

}  // namespace

TEST_CASE("rules.md: each line of its table of types holds") {
  const auto rows = table_after("## Types");
  CHECK(rows.size() > 50);
  for (const auto& row : rows) {
    REQUIRE(row.size() == 4);
    if (row[2].empty()) continue;  // domains
    INFO(row[0], ": ", row[3]);
    RecordShape shape;
    shape.columns["c"] = column_type(row[0], row[1]);
    const std::string json = "{\"c\":" + row[2] + "}";
    const auto record = Row::parse(json);
    REQUIRE(record.ok());
    const Parsed rule = parsed(row[3]);
    REQUIRE_MESSAGE(rule.expression, rule.faults);
    CHECK(said(rule.expression->check({false, &shape})) == "");
    CHECK(Predicate::specialize(*rule.expression, nullptr)->holds({&*record, &shape}));
    const auto null = Row::parse(R"({"c":null})");
    const auto is_null = parsed("record.c == null");
    CHECK(Predicate::specialize(*is_null.expression, nullptr)->holds({&*null, &shape}));
  }
}
