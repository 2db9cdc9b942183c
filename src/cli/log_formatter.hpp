#pragma once
#include <spdlog/formatter.h>

#include <memory>

#include "pgtide/config.hpp"

namespace pgtide {

// How a line of the log looks. For people:
//   2026-11-23 10:15:30.123 info connection 3f2a...: closed with 4408, no sign of life; ...
// with further lines of one message set in. Both are cleaned as all that the program prints.
// As JSON, an object per line: "time" (UTC), "level", "message", and "connection" where the line is
// about one.
std::unique_ptr<spdlog::formatter> make_log_formatter(Config::LogFormat format);

}  // namespace pgtide
