#pragma once
#include <cstddef>
#include <string>

namespace pgtide {

// Bytes of memory that this program may use: the machine's, or the least that a control group above
// it is given (cgroup v2's memory.max, v1's memory.limit_in_bytes). 0 where nothing can be read.
// `root` stands before every path: for tests.
std::size_t read_machine_memory(const std::string& root = "");

// What limits.memory_bytes stands for: itself, or where it is 0 a quarter of the machine's.
std::size_t memory_limit(std::size_t memory_bytes, std::size_t machine_bytes);

// BrokerLimits::stretch_bytes under such a limit: small where memory is, and at most what a thread
// sends in some ten milliseconds.
std::size_t stretch_bytes(std::size_t memory_bytes);

}  // namespace pgtide
