#pragma once
#include <string>
#include <string_view>

#include "pgtide/result.hpp"

namespace pgtide {

// Exit codes of the program (PROTOCOL 7).
enum ExitCode { exit_fine = 0, exit_failure = 1, exit_usage = 2 };

enum class Colour { none, red, green, yellow, blue, cyan, dim, bold };

// `text` in that colour, where standard output is a terminal and NO_COLOR is not set.
std::string coloured(Colour colour, std::string_view text);

// Prints "pgtide: ..." on standard error. Returns the exit code that goes with the fault:
// exit_usage for `invalid` and `not_found` configuration, else exit_failure.
int report_settings_fault(const Error& error);
// The same for a fault at run time: always exit_failure.
int report_failure(const Error& error);

}  // namespace pgtide
