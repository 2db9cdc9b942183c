#pragma once
#include <sys/types.h>

#include <cstdint>

namespace pgtide::bench {

// What a running program has used so far, from /proc.
struct Usage {
  double cpu_seconds = 0;           // all its threads; to the nanosecond, from schedstat
  std::uint64_t resident_bytes = 0;
  std::uint64_t peak_bytes = 0;     // the most that was ever resident (VmHWM)
};

// Gives up when `pid` is no longer there.
Usage usage_of(pid_t pid);

// CPU seconds of a program, its children and those that have ended: PostgreSQL with its backends.
// To a clock tick, 10 ms, each.
double family_cpu_seconds(pid_t pid);

}  // namespace pgtide::bench
