#pragma once
#include <memory>

#include <spdlog/sinks/sink.h>

namespace pgtide {

// Standard error, for a program that has better things to do than to wait for who reads it. Where
// a pipe is full and its reader rests, one line waits for a tenth of a second; from then on lines
// are dropped until it reads again, and then it is told how many were. Coloured on a terminal.
// Any thread.
std::shared_ptr<spdlog::sinks::sink> make_log_sink();

}  // namespace pgtide
