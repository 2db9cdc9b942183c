#include "support/report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

namespace pgtide::bench {
namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// Three significant digits say as much as a run can.
std::string printed(double value) {
  const double size = std::abs(value);
  const int decimals = size >= 100 || size == std::floor(size) ? 0 : size >= 10 ? 1
                       : size >= 1                             ? 2
                                                               : 3;
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

double gibibytes(std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 30); }

}  // namespace

Report::Report(std::string name, std::string title)
    : name_(std::move(name)), title_(std::move(title)), started_at_(utc_now()) {}

void Report::describe(std::string line) { workload_.push_back(std::move(line)); }

void Report::add(std::string name, double value, std::string unit) {
  figures_.push_back({std::move(name), value, std::move(unit)});
}

void Report::print(const BenchOptions& options) const {
  const std::string json = to_json();
  if (options.json == "-") {
    std::printf("%s\n", json.c_str());
  } else {
    print_text();
  }
  std::fflush(stdout);
  if (options.json.empty() || options.json == "-") return;
  std::ofstream file(options.json);
  file << json << '\n';
  if (!file.flush()) give_up("cannot write " + options.json);
}

void Report::print_text() const {
  std::printf("%s: %s\n", name_.c_str(), title_.c_str());
  std::printf("  machine   %s, %u cores, %.1f GiB, %s, load %.2f when it began\n",
              machine_.cpu.c_str(), machine_.cores, gibibytes(machine_.memory_bytes),
              machine_.kernel.c_str(), machine_.load);
  std::printf("  commit    %s, %s\n", machine_.commit.c_str(), started_at_.c_str());
  const char* label = "workload";
  for (const std::string& line : workload_) {
    std::printf("  %-9s %s\n", label, line.c_str());
    label = "";
  }
  std::size_t width = 0;
  for (const Figure& figure : figures_) width = std::max(width, figure.name.size());
  for (const Figure& figure : figures_) {
    std::printf("    %-*s %10s %s\n", static_cast<int>(width), figure.name.c_str(),
                printed(figure.value).c_str(), figure.unit.c_str());
  }
}

std::string Report::to_json() const {
  using nlohmann::ordered_json;
  ordered_json figures = ordered_json::array();
  for (const Figure& figure : figures_) {
    figures.push_back({{"name", figure.name}, {"value", figure.value}, {"unit", figure.unit}});
  }
  const ordered_json machine{{"cpu", machine_.cpu},
                             {"cores", machine_.cores},
                             {"memory_bytes", machine_.memory_bytes},
                             {"kernel", machine_.kernel},
                             {"load", machine_.load}};
  const ordered_json report{{"name", name_},           {"title", title_},
                            {"machine", machine},      {"commit", machine_.commit},
                            {"started_at", started_at_}, {"workload", workload_},
                            {"figures", figures}};
  return report.dump(2);
}

}  // namespace pgtide::bench
