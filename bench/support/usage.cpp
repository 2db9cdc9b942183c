#include "support/usage.hpp"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "support/bench.hpp"

namespace pgtide::bench {
namespace {

namespace fs = std::filesystem;

double thread_seconds(const fs::path& task) {
  std::ifstream file(task / "schedstat");
  double nanoseconds = 0;
  file >> nanoseconds;  // a thread that has just ended has none
  return nanoseconds * 1e-9;
}

std::uint64_t kibibytes_in(const std::string& line) {
  return std::strtoull(line.c_str() + line.find(':') + 1, nullptr, 10) * 1024;
}

// The fields of /proc/PID/stat from the state on, which is the third; empty when it is gone.
std::vector<std::string> stat_fields(const fs::path& directory) {
  std::ifstream file(directory / "stat");
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(')');  // the name may hold spaces and brackets
  if (name_end == std::string::npos) return {};
  std::istringstream rest(line.substr(name_end + 1));
  std::vector<std::string> fields;
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields.size() > 14 ? fields : std::vector<std::string>{};
}

// Field `number` of proc(5), which counts from 1.
double ticks(const std::vector<std::string>& fields, std::size_t number) {
  return std::strtod(fields[number - 3].c_str(), nullptr);
}

}  // namespace

Usage usage_of(pid_t pid) {
  const fs::path directory = "/proc/" + std::to_string(pid);
  Usage usage;
  std::ifstream status(directory / "status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) usage.resident_bytes = kibibytes_in(line);
    if (line.starts_with("VmHWM:")) usage.peak_bytes = kibibytes_in(line);
  }
  if (usage.peak_bytes == 0) give_up("the program under test has ended; see its log");
  std::error_code ignored;
  for (const auto& task : fs::directory_iterator(directory / "task", ignored)) {
    usage.cpu_seconds += thread_seconds(task.path());
  }
  return usage;
}

double family_cpu_seconds(pid_t pid) {
  const std::string parent = std::to_string(pid);
  double sum = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    if (std::isdigit(static_cast<unsigned char>(name.front())) == 0) continue;
    const auto fields = stat_fields(entry.path());
    if (fields.empty()) continue;
    if (name == parent) sum += ticks(fields, 16) + ticks(fields, 17);  // children it waited for
    if (name == parent || fields[1] == parent) sum += ticks(fields, 14) + ticks(fields, 15);
  }
  return sum / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace pgtide::bench
