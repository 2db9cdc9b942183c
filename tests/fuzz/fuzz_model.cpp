#include "fuzz/fuzz.hpp"
#include "model/cursor.hpp"
#include "model/json_row.hpp"
#include "model/pattern.hpp"
#include "model/server_message.hpp"

namespace pgtide::test {

void fuzz_model(std::string_view text) {
  if (const auto cursor = parse_cursor(text)) {
    const std::string printed = to_string(*cursor);
    PGTIDE_ASSERT(printed.size() <= 64 && parse_cursor(printed).ok());
    PGTIDE_ASSERT(*parse_cursor(printed) == *cursor);
  }
  if (const auto pattern = parse_pattern(text)) PGTIDE_ASSERT(to_string(*pattern) == text);
  const bool is_json = check_json(text).ok();
  PGTIDE_ASSERT(!is_json || check_json(json_string(text)).ok());
  const auto row = Row::parse(text);
  if (!row) return;
  for (const RowMember& member : row->members()) {
    PGTIDE_ASSERT(member.key.size() >= 2 && !member.value.empty());
    PGTIDE_ASSERT(row->find(member.column) != nullptr);
    PGTIDE_ASSERT(!is_json || check_json(member.value).ok());
  }
}

}  // namespace pgtide::test
