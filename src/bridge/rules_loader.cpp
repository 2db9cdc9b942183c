#include "bridge/rules_loader.hpp"

#include "bridge/text_file.hpp"

namespace pgtide {

Result<std::shared_ptr<const Rules>> load_rules(const std::string& path, bool required) {
  auto draft = read_rules(path, required);
  if (!draft) return draft.error();
  if (!draft->faults.empty()) return Error{ErrorKind::invalid, to_string(path, draft->faults)};
  return std::shared_ptr<const Rules>(std::make_shared<Rules>(std::move(draft->rules)));
}

Result<RulesDraft> read_rules(const std::string& path, bool required) {
  const auto text = read_text_file(path);
  if (text) return draft_rules(*text, path);
  if (text.error().kind != ErrorKind::not_found) return text.error();
  if (required) {
    return Error{ErrorKind::not_found, "there is no such rules file; correct `rules:`", path};
  }
  RulesDraft none;
  none.rules.file = path;
  return none;
}

std::vector<std::string> listed_tables(const Rules& rules) {
  std::vector<std::string> tables;
  for (const auto& [name, rule] : rules.collections) tables.push_back(rule.table);
  return tables;
}

}  // namespace pgtide
