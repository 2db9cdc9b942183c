#include "bridge/rules_loader.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "config/rules_file.hpp"

namespace pgtide {

Result<std::shared_ptr<const Rules>> load_rules(const std::string& path, bool required) {
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
    auto none = std::make_shared<Rules>();
    none->file = path;
    return std::shared_ptr<const Rules>(std::move(none));
  }
  std::ostringstream text;
  text << file.rdbuf();
  if (file.bad()) return Error{ErrorKind::denied, "cannot be read", path};
  auto parsed = parse_rules(text.str(), path);
  if (const auto* faults = std::get_if<std::vector<FileFault>>(&parsed)) {
    return Error{ErrorKind::invalid, to_string(path, *faults)};
  }
  return std::shared_ptr<const Rules>(
      std::make_shared<Rules>(std::move(std::get<Rules>(parsed))));
}

std::vector<std::string> listed_tables(const Rules& rules) {
  std::vector<std::string> tables;
  for (const auto& [name, rule] : rules.collections) tables.push_back(rule.table);
  return tables;
}

}  // namespace pgtide
