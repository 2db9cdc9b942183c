#pragma once
#include <memory>
#include <string>
#include <vector>

#include "rules/policy.hpp"
#include "rules/rule_case.hpp"

// Cases of `pgtide rules test`, tried with the broker that serves clients: no second reading of
// what rules mean.
namespace pgtide {

// What the case says that cannot be so in this database: columns that are not there, values that
// are not of their types, a key that is missing. Empty: it can be tried.
std::vector<CaseFault> check_case(const RuleCase& one, const Catalog& catalog);

// Both as the case's words have it: "denied", "nothing", "update", "update [id, title]",
// "error invalid_filter: ...".
struct CaseOutcome {
  std::string expected{};
  std::string got{};

  bool as_expected() const { return expected == got; }
};

// Only after check_case() found nothing.
CaseOutcome try_case(const RuleCase& one, const std::shared_ptr<const Policy>& policy);

}  // namespace pgtide
