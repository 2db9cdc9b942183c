#pragma once
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pgtide/result.hpp"
#include "rules/rules.hpp"

namespace pgtide {

// A fault in a YAML file: what is wrong and how to mend it.
struct FileFault {
  int line = 0;    // from 1; 0: the file as a whole
  int column = 0;  // from 1
  std::string message{};
  friend bool operator==(const FileFault&, const FileFault&) = default;
};

// "rules.yaml:4:7: message", a line each.
std::string to_string(std::string_view file, const std::vector<FileFault>& faults);

// Parses a rules file (PROTOCOL 4); finds all faults at once, those inside expressions too, as far
// as no table is needed to know them. `snapshot`, which this version does not know yet, is a fault
// of its own kind: "not in this version". `file` is only named in messages. Total over any bytes.
std::variant<Rules, std::vector<FileFault>> parse_rules(std::string_view text,
                                                        const std::string& file);

// What parse_rules makes, and where there are faults what could be read beside them: to find more
// faults by, never to decide by. A collection whose `table` cannot be read is not among the rules.
struct RulesDraft {
  Rules rules{};
  std::vector<FileFault> faults{};
};
RulesDraft draft_rules(std::string_view text, const std::string& file);

}  // namespace pgtide
