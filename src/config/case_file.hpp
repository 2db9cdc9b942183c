#pragma once
#include <string_view>
#include <variant>
#include <vector>

#include "config/rules_file.hpp"
#include "rules/rule_case.hpp"

namespace pgtide {

// Parses a file of cases, which `pgtide rules test` tries (docs/rules.md): `version: 1`, `cases`.
// Finds all faults at once, as far as no table is needed to know them. Total over any bytes.
std::variant<std::vector<RuleCase>, std::vector<FileFault>> parse_cases(std::string_view text);

}  // namespace pgtide
