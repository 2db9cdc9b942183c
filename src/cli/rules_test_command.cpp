#include <cstdio>
#include <nlohmann/json.hpp>

#include "bridge/text_file.hpp"
#include "broker/case_trial.hpp"
#include "cli/bound_rules.hpp"
#include "cli/commands.hpp"
#include "cli/terminal.hpp"
#include "config/case_file.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

using Json = nlohmann::ordered_json;

struct FailedCase {
  std::string place{};  // "cases.yaml:4:5"
  std::string name{};
  CaseOutcome outcome{};
};

struct Trial {
  std::vector<std::string> problems{};  // then nothing was tried
  int exit_code = exit_fine;
  std::size_t cases = 0;
  std::vector<FailedCase> failed{};
};

Trial refused(const std::string& text, int exit_code) {
  Trial trial{.exit_code = exit_code};
  add_lines(trial.problems, text);
  return trial;
}

std::vector<FileFault> check_cases(const std::vector<RuleCase>& cases, const Catalog& catalog) {
  std::vector<FileFault> faults;
  for (const RuleCase& one : cases) {
    for (CaseFault& fault : check_case(one, catalog)) {
      faults.push_back({fault.place.line, fault.place.column, std::move(fault.message)});
    }
  }
  return faults;
}

Trial try_cases(const SettingSources& sources, const std::string& file) {
  const auto text = read_text_file(file);
  if (!text) return refused(text.error().to_string(), exit_usage);
  const auto parsed = parse_cases(*text);
  if (const auto* faults = std::get_if<1>(&parsed)) {
    return refused(to_string(file, *faults), exit_usage);
  }
  const auto& cases = std::get<0>(parsed);
  const BoundRules bound = bind_rules(sources);
  if (!bound.problems.empty()) return {.problems = bound.problems, .exit_code = bound.exit_code};
  const auto faults = check_cases(cases, bound.policy->catalog());
  if (!faults.empty()) return refused(to_string(file, faults), exit_usage);
  Trial trial{.cases = cases.size()};
  for (const RuleCase& one : cases) {
    CaseOutcome outcome = try_case(one, bound.policy);
    if (outcome.as_expected()) continue;
    trial.failed.push_back({file + ":" + std::to_string(one.place.line) + ":" +
                                std::to_string(one.place.column),
                            one.name, std::move(outcome)});
  }
  if (!trial.failed.empty()) trial.exit_code = exit_failure;
  return trial;
}

Json json_of(const Trial& trial) {
  Json failed = Json::array();
  for (const FailedCase& one : trial.failed) {
    failed.push_back({{"place", one.place},
                      {"name", one.name},
                      {"expected", one.outcome.expected},
                      {"got", one.outcome.got}});
  }
  return {{"cases", trial.cases}, {"failed", std::move(failed)}, {"problems", trial.problems}};
}

void print_trial(const Trial& trial) {
  for (const FailedCase& one : trial.failed) {
    std::printf("%s\n", one_line(one.place + ": " + one.name + ": expected " +
                                 one.outcome.expected + ", got " + one.outcome.got)
                            .c_str());
  }
  std::printf("%zu %s, ", trial.cases, trial.cases == 1 ? "case" : "cases");
  if (trial.failed.empty()) {
    std::printf("%s\n", coloured(Colour::green, "all as expected").c_str());
  } else {
    const std::string count = std::to_string(trial.failed.size());
    std::printf("%s\n", coloured(Colour::red, count + " not as expected").c_str());
  }
}

}  // namespace

int rules_test_command(const SettingSources& sources, const std::string& file, bool json) {
  const Trial trial = try_cases(sources, file);
  if (json) {
    std::printf("%s\n", json_of(trial).dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  } else if (!trial.problems.empty()) {
    print_problems(trial.problems);
  } else {
    print_trial(trial);
  }
  return trial.exit_code;
}

}  // namespace pgtide
