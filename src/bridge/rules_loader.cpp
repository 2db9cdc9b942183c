#include "bridge/rules_loader.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace pgtide {

Result<std::shared_ptr<const Rules>> load_rules(const std::string& path, bool required) {
  auto draft = read_rules(path, required);
  if (!draft) return draft.error();
  if (!draft->faults.empty()) return Error{ErrorKind::invalid, to_string(path, draft->faults)};
  return std::shared_ptr<const Rules>(std::make_shared<Rules>(std::move(draft->rules)));
}

Result<RulesDraft> read_rules(const std::string& path, bool required) {
  errno = 0;
  std::ifstream file(path);
  if (!file) {
    const int why = errno;
    if (why != ENOENT) {
      return Error{ErrorKind::denied, std::string("cannot be read: ") + std::strerror(why), path};
    }
    if (required) {
      return Error{ErrorKind::not_found, "there is no such rules file; correct `rules:`", path};
    }
    RulesDraft none;
    none.rules.file = path;
    return none;
  }
  std::ostringstream text;
  text << file.rdbuf();
  if (file.bad()) return Error{ErrorKind::denied, "cannot be read", path};
  return draft_rules(text.str(), path);
}

std::vector<std::string> listed_tables(const Rules& rules) {
  std::vector<std::string> tables;
  for (const auto& [name, rule] : rules.collections) tables.push_back(rule.table);
  return tables;
}

}  // namespace pgtide
