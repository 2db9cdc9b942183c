#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "pgtide/result.hpp"

namespace pgtide {

// What pgtide.status() of this database returns, as JSON text: an object in which each part that
// `status` and `doctor` print is there and of its kind. Whoever may alter the function may have it
// return anything else: that is an error (internal) which names the part.
Result<std::string> read_status_report(const std::string& url);

// The same of a text that has been read.
Result<std::string> checked_status_report(std::string text);

struct LogFault {
  std::string wrong{};
  std::string mend{};
};
// What to say of a log larger than resume.log_bytes (`bound`), by a report that was checked.
std::optional<LogFault> find_log_fault(const std::string& report, std::uint64_t bound);

}  // namespace pgtide
