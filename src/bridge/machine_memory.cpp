#include "bridge/machine_memory.hpp"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>
#include <sstream>

#include "broker/broker.hpp"

namespace pgtide {
namespace {

constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

// proc(5): "MemTotal:       24601234 kB".
std::size_t read_total(const std::string& root) {
  std::ifstream file(root + "/proc/meminfo");
  std::string name;
  for (std::size_t kilobytes = 0; file >> name >> kilobytes;) {
    if (name == "MemTotal:") return kilobytes * 1'024;
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return unlimited;
}

// "max", and what there is no file of, is no limit.
std::size_t read_limit(const std::string& path) {
  std::uint64_t bytes = 0;
  if (!(std::ifstream(path) >> bytes)) return unlimited;
  return bytes == 0 ? unlimited : bytes;
}

// The least of the group and of all above it: one of them may be all that a container sees.
std::size_t read_limits(const std::string& mount, std::string group, const std::string& file) {
  std::size_t least = read_limit(mount + "/" + file);
  while (group.size() > 1) {
    least = std::min(least, read_limit(mount + group + "/" + file));
    group.erase(std::min(group.rfind('/'), group.size()));
  }
  return least;
}

bool names_memory(const std::string& controllers) {
  std::istringstream names(controllers);
  for (std::string name; std::getline(names, name, ',');) {
    if (name == "memory") return true;
  }
  return false;
}

// cgroups(7): lines of "number:controllers:/path"; v2's has number 0 and no controllers.
std::size_t read_group_limit(const std::string& root) {
  std::size_t least = unlimited;
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {
      least = std::min(least, read_limits(root + "/sys/fs/cgroup", group, "memory.max"));
    } else if (names_memory(controllers)) {
      least = std::min(least, read_limits(root + "/sys/fs/cgroup/memory", group,
                                          "memory.limit_in_bytes"));
    }
  }
  return least;
}

}  // namespace

std::size_t read_machine_memory(const std::string& root) {
  const std::size_t least = std::min(read_total(root), read_group_limit(root));
  return least == unlimited ? 0 : least;
}

std::size_t memory_limit(std::size_t memory_bytes, std::size_t machine_bytes) {
  return memory_bytes != 0 ? memory_bytes : machine_bytes / 4;
}

std::size_t stretch_bytes(std::size_t memory_bytes) {
  constexpr std::size_t least = 1'048'576, most = BrokerLimits{}.stretch_bytes;
  return memory_bytes == 0 ? most : std::clamp(memory_bytes / 16, least, most);
}

}  // namespace pgtide
