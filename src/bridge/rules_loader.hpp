#pragma once
#include <memory>
#include <string>
#include <vector>

#include "config/rules_file.hpp"
#include "pgtide/result.hpp"
#include "rules/rules.hpp"

namespace pgtide {

// Reads and parses a rules file. A missing one gives rules that deny everything, unless `required`.
// Errors: invalid, with all faults of the file, a line each; not_found for a missing required file;
// denied for one that cannot be read.
Result<std::shared_ptr<const Rules>> load_rules(const std::string& path, bool required);

// The same without the error invalid: faults, and the rules as far as they could be read, to find
// more faults by.
Result<RulesDraft> read_rules(const std::string& path, bool required);

// The tables ("schema.table") that the rules ask about.
std::vector<std::string> listed_tables(const Rules& rules);

}  // namespace pgtide
