#pragma once
#include <cstdint>
#include <string>

namespace pgtide::bench {

// Where a figure was taken: without it a figure says nothing.
struct Machine {
  std::string cpu{};         // the model, as /proc/cpuinfo names it
  unsigned cores = 0;        // that this program may use
  std::uint64_t memory_bytes = 0;
  std::string kernel{};      // "Linux 6.1.0"
  std::string commit{};      // of the source tree, with "-dirty" when it was changed; or "unknown"
  double load = 0;           // the machine's load average over the last minute: was it quiet?
};

Machine look_at_machine();

// The kind of file system that `directory` is on: "ext4", "tmpfs", "overlay", or its magic number.
std::string file_system_of(const std::string& directory);

}  // namespace pgtide::bench
