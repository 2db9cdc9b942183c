#pragma once
#include <unistd.h>

#include <cstddef>
#include <fstream>
#include <string>

namespace pgtide::test {

// The most bytes that a program has had in memory, VmHWM of proc(5); 0 where it is gone.
inline std::size_t peak_bytes(pid_t program = getpid()) {
  std::ifstream status("/proc/" + std::to_string(program) + "/status");
  for (std::string word; status >> word;) {
    std::size_t kibibytes = 0;
    if (word == "VmHWM:" && status >> kibibytes) return kibibytes * 1'024;
  }
  return 0;
}

}  // namespace pgtide::test
