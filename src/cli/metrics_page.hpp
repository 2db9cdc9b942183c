#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtide {

// A page of /metrics, as the bridge writes it: at most one label to a value.
class MetricsPage {
 public:
  static MetricsPage parse(std::string_view text);  // what is no sample is left out

  double value(const std::string& name) const;  // 0: there is none
  // By the label's value: of "pgtide_errors_total", {"rate_limited", 12}.
  const std::map<std::string, double>& labelled(const std::string& name) const;

 private:
  std::map<std::string, double> values_{};
  std::map<std::string, std::map<std::string, double>> labelled_{};
};

// What was counted from one page to a later one of the same bridge; a bridge that began anew in
// between counts from 0.
double growth(const MetricsPage& before, const MetricsPage& now, const std::string& name);
// The same of a histogram: the value that the share `q` of what came in between does not exceed,
// between two bounds as if evenly spread. None: nothing came.
std::optional<double> quantile(const MetricsPage& before, const MetricsPage& now,
                               const std::string& histogram, double q);

}  // namespace pgtide
