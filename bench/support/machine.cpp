#include "support/machine.hpp"

#include <linux/magic.h>
#include <sched.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "cluster/child_program.hpp"

namespace pgtide::bench {
namespace {

constexpr long xfs_magic = 0x58465342;  // statfs(2)

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

unsigned usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 0;
  return static_cast<unsigned>(CPU_COUNT(&set));
}

std::string kernel_name() {
  utsname name{};
  if (uname(&name) != 0) return "unknown";
  return std::string(name.sysname) + " " + name.release;
}

std::string commit_name() {
  const std::string name = first_line_of(
      "git -C '" PGTIDE_SOURCE "' describe --always --abbrev=12 --dirty 2>/dev/null");
  return name.empty() ? "unknown" : name;
}

}  // namespace

Machine look_at_machine() {
  struct sysinfo info {};
  sysinfo(&info);
  double load = 0;
  if (getloadavg(&load, 1) != 1) load = -1;
  return {cpu_model(),   usable_cores(), std::uint64_t{info.totalram} * info.mem_unit,
          kernel_name(), commit_name(),  load};
}

std::string file_system_of(const std::string& directory) {
  struct statfs found {};
  if (statfs(directory.c_str(), &found) != 0) return "unknown";
  switch (static_cast<long>(found.f_type)) {
    case EXT4_SUPER_MAGIC: return "ext4";
    case xfs_magic: return "xfs";
    case BTRFS_SUPER_MAGIC: return "btrfs";
    case TMPFS_MAGIC: return "tmpfs: in memory";
    case OVERLAYFS_SUPER_MAGIC: return "overlay";
    default: break;
  }
  char text[32];
  std::snprintf(text, sizeof text, "file system 0x%lx", static_cast<unsigned long>(found.f_type));
  return text;
}

}  // namespace pgtide::bench
