#include "model/json_row.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/json_scanner.hpp"
#include "model/utf8.hpp"

namespace pgtide {
namespace {

constexpr std::size_t usual_members = 8;  // room for them is made at once

Error not_json(std::size_t at) {
  return {ErrorKind::invalid, "not a JSON text at byte " + std::to_string(at)};
}

// `key` has its quotes. Column names with escapes are rare, so a library undoes them.
std::string unescape(std::string_view key) {
  const auto name = nlohmann::json::parse(key, nullptr, false);
  return name.is_string() ? name.get<std::string>() : std::string(key);
}

}  // namespace

Result<Row> Row::parse(std::string_view text) { return parse(text, false); }

Result<Row> Row::parse_reduced(std::string_view text) { return parse(text, true); }

Result<Row> Row::parse(std::string_view text, bool reduced) {
  JsonScanner scanner(text);
  Row row;
  row.members_.reserve(usual_members);
  scanner.space();
  if (!scanner.take('{')) return not_json(scanner.at());
  scanner.space();
  bool closed = scanner.take('}');
  while (!closed) {
    if (!row.read_member(scanner, reduced)) return not_json(scanner.at());
    scanner.space();
    closed = scanner.take('}');
    if (!closed && !scanner.take(',')) return not_json(scanner.at());
    scanner.space();
  }
  scanner.space();
  if (!scanner.at_end()) return not_json(scanner.at());
  return row;
}

bool Row::read_member(JsonScanner& scanner, bool reduced) {
  RowMember member;
  std::size_t start = scanner.at();
  if (!scanner.string()) return false;
  member.key = scanner.since(start);
  member.column = member.key.substr(1, member.key.size() - 2);
  if (member.column.find('\\') != std::string_view::npos) {
    names_.push_back(std::make_unique<const std::string>(unescape(member.key)));
    member.column = *names_.back();
  }
  scanner.space();
  if (!scanner.take(':')) return false;
  scanner.space();
  const bool withheld = reduced && scanner.take('~');
  start = scanner.at();
  if (withheld ? !scanner.string() : !scanner.value()) return false;
  (withheld ? member.digest : member.value) = scanner.since(start);
  members_.push_back(member);
  return true;
}

bool Row::repeats_a_name() const {
  std::vector<std::string_view> names;
  for (const RowMember& member : members_) names.push_back(member.column);
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) != names.end();
}

const RowMember* Row::find(std::string_view column) const {
  for (const RowMember& member : members_) {
    if (member.column == column) return &member;
  }
  return nullptr;
}

Result<void> check_json(std::string_view text) {
  if (!is_utf8(text)) return Error{ErrorKind::invalid, "not valid UTF-8"};
  JsonScanner scanner(text);
  scanner.space();
  if (!scanner.value()) return not_json(scanner.at());
  scanner.space();
  if (!scanner.at_end()) return not_json(scanner.at());
  return {};
}

}  // namespace pgtide
