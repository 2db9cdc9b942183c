#include "bridge/resource_figures.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>

namespace pgtide {
namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// proc(5): the second number of statm is the resident pages, the third those of them that a file
// holds. Without a descriptor for it, what was read before.
void read_memory(ResourceFigures& figures) {
  static std::atomic<std::uint64_t> last_resident = 0, last_anonymous = 0;
  std::uint64_t all = 0, resident = 0, of_files = 0;
  if (std::ifstream("/proc/self/statm") >> all >> resident >> of_files) {
    last_resident = resident;
    last_anonymous = resident - std::min(resident, of_files);
  }
  const auto page_bytes = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  figures.resident_bytes = last_resident * page_bytes;
  figures.anonymous_bytes = last_anonymous * page_bytes;
}

// proc(5): the 22nd field of stat is the start in clock ticks since boot. The name before it may
// hold spaces and brackets.
double read_start_s() {
  static std::mutex reading;
  static std::string text;  // the figure stays the same, and later there may be no descriptor
  const std::lock_guard lock(reading);
  std::ifstream file("/proc/self/stat");
  if (std::string fresh; std::getline(file, fresh)) text = fresh;
  std::size_t at = text.rfind(')');
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = text.find(' ', at + 1);
  timespec since_boot{}, now{};
  clock_gettime(CLOCK_BOOTTIME, &since_boot);
  clock_gettime(CLOCK_REALTIME, &now);
  if (at == std::string::npos) return 0;
  const double started = std::strtod(text.c_str() + at, nullptr) /
                         static_cast<double>(sysconf(_SC_CLK_TCK));
  return static_cast<double>(now.tv_sec - since_boot.tv_sec) + started;
}

std::uint64_t count_fds(std::uint64_t max_fds) {
  std::error_code failure;
  const std::filesystem::directory_iterator entries("/proc/self/fd", failure);
  if (failure == std::errc::too_many_files_open) return max_fds;  // that is how many there are
  if (failure) return 0;
  const auto count = std::distance(begin(entries), end(entries));
  return static_cast<std::uint64_t>(std::max<std::ptrdiff_t>(count - 1, 0));  // but for our own
}

}  // namespace

ResourceFigures read_resource_figures() {
  ResourceFigures figures;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    figures.cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
  }
  figures.started_at_s = std::floor(read_start_s());
  read_memory(figures);
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) figures.max_fds = limit.rlim_cur;
  figures.open_fds = count_fds(figures.max_fds);
  return figures;
}

}  // namespace pgtide
