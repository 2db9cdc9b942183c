#pragma once
#include <string>
#include <vector>

#include "support/bench.hpp"
#include "support/machine.hpp"

namespace pgtide::bench {

// What a program prints at its end: machine, commit, workload and figures, for people and as JSON.
class Report {
 public:
  // `name` is the program's, `title` what it measures.
  Report(std::string name, std::string title);

  // How it was measured: one sentence or setting a line.
  void describe(std::string line);
  // `unit` stands behind the number: "ms", "changes/s", "% of without".
  void add(std::string name, double value, std::string unit);

  // As the options say: text on standard output, JSON in a file or instead.
  void print(const BenchOptions& options) const;

 private:
  struct Figure {
    std::string name;
    double value;
    std::string unit;
  };
  void print_text() const;
  std::string to_json() const;

  std::string name_;
  std::string title_;
  Machine machine_ = look_at_machine();
  std::string started_at_;
  std::vector<std::string> workload_;
  std::vector<Figure> figures_;
};

}  // namespace pgtide::bench
