#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

namespace pgtide::bench {

// Numbers of one kind, and what of them is worth telling.
class Samples {
 public:
  void add(double value) { values_.push_back(value); }
  std::size_t size() const { return values_.size(); }

  // The smallest value that at least the share `q` of all does not exceed; 0 without any.
  double quantile(double q) const {
    if (values_.empty()) return 0;
    std::vector<double> sorted = values_;
    std::sort(sorted.begin(), sorted.end());
    const double rank = std::ceil(q * static_cast<double>(sorted.size()));
    return sorted[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
  }
  double max() const { return quantile(1); }

  // Of an even number, the mean of the middle two.
  double median() const {
    const double below = quantile(0.5);
    if (values_.size() % 2 != 0 || values_.empty()) return below;
    std::vector<double> sorted = values_;
    std::sort(sorted.begin(), sorted.end());
    return (below + sorted[sorted.size() / 2]) / 2;
  }

 private:
  std::vector<double> values_;
};

}  // namespace pgtide::bench
