#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "model/catalog.hpp"
#include "pgtide/result.hpp"
#include "rules/policy.hpp"

namespace pgtide {

// The policy in force: the rules that were loaded last, held against the catalog that was seen
// last. Each change gives a new one; what is newly wrong between the two is logged once. Until the
// first catalog was seen the policy denies everything, and nothing is called wrong. Any thread.
class PolicyKeeper {
 public:
  explicit PolicyKeeper(std::shared_ptr<const Rules> rules);

  std::shared_ptr<const Policy> current() const;
  // Both return the policy that is in force from now on. Rules that contradict the catalog's
  // columns are an error (invalid: every problem, a line each), and all stays as it was.
  std::shared_ptr<const Policy> use_catalog(std::shared_ptr<const Catalog> catalog);
  Result<std::shared_ptr<const Policy>> use_rules(std::shared_ptr<const Rules> rules);

 private:
  std::shared_ptr<const Policy> put_in_force(std::shared_ptr<const Policy> policy);
  void log_new_problems();

  mutable std::mutex mutex_;
  std::shared_ptr<const Rules> rules_;
  std::shared_ptr<const Catalog> catalog_;  // null until the first was seen
  std::shared_ptr<const Policy> policy_;
  std::vector<std::string> logged_;
};

}  // namespace pgtide
