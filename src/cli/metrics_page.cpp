#include "cli/metrics_page.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace pgtide {
namespace {

double bound_of(const std::string& le) {
  return le == "+Inf" ? std::numeric_limits<double>::infinity() : std::atof(le.c_str());
}

double grown(double before, double now) { return now < before ? now : now - before; }

}  // namespace

MetricsPage MetricsPage::parse(std::string_view text) {
  MetricsPage page;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::size_t space = line.rfind(' ');
    if (line.starts_with('#') || space == line.npos) continue;
    const double value = std::atof(std::string(line.substr(space + 1)).c_str());
    const std::string_view name = line.substr(0, space);
    const std::size_t brace = name.find('{');
    if (brace == name.npos) {
      page.values_[std::string(name)] = value;
      continue;
    }
    const std::size_t open = name.find('"', brace), close = name.rfind('"');
    if (open == name.npos || close <= open) continue;
    const std::string label(name.substr(open + 1, close - open - 1));
    page.labelled_[std::string(name.substr(0, brace))][label] = value;
  }
  return page;
}

double MetricsPage::value(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? 0 : found->second;
}

const std::map<std::string, double>& MetricsPage::labelled(const std::string& name) const {
  static const std::map<std::string, double> none;
  const auto found = labelled_.find(name);
  return found == labelled_.end() ? none : found->second;
}

double growth(const MetricsPage& before, const MetricsPage& now, const std::string& name) {
  return grown(before.value(name), now.value(name));
}

std::optional<double> quantile(const MetricsPage& before, const MetricsPage& now,
                               const std::string& histogram, double q) {
  const auto& earlier = before.labelled(histogram + "_bucket");
  std::map<double, double> below;  // by bound: how many are not above it
  for (const auto& [le, count] : now.labelled(histogram + "_bucket")) {
    const auto found = earlier.find(le);
    below[bound_of(le)] = grown(found == earlier.end() ? 0 : found->second, count);
  }
  if (below.empty() || below.rbegin()->second <= 0) return std::nullopt;
  const double wanted = q * below.rbegin()->second;
  double lower_bound = 0, lower_count = 0;
  for (const auto& [bound, count] : below) {
    if (count >= wanted) {
      if (bound == std::numeric_limits<double>::infinity()) return lower_bound;
      const double share = (wanted - lower_count) / (count - lower_count);
      return lower_bound + share * (bound - lower_bound);
    }
    lower_bound = bound;
    lower_count = count;
  }
  return lower_bound;
}

}  // namespace pgtide
