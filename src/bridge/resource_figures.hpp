#pragma once
#include <cstdint>

namespace pgtide {

// What this process takes of its machine, under the names that Prometheus' clients give them.
// A figure that cannot be read is 0.
struct ResourceFigures {
  double cpu_seconds = 0;          // user and system
  double started_at_s = 0;         // since 1970
  std::uint64_t resident_bytes = 0;
  std::uint64_t anonymous_bytes = 0;  // of the resident ones: heaps and stacks, of no file
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
};
ResourceFigures read_resource_figures();

}  // namespace pgtide
