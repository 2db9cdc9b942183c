#include "bridge/policy_keeper.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "model/wording.hpp"

namespace pgtide {
namespace {

std::string lines_of(const std::vector<std::string>& problems) {
  std::string lines;
  for (const std::string& problem : problems) {
    lines += (lines.empty() ? "" : "\n") + one_line(problem);
  }
  return lines;
}

}  // namespace

PolicyKeeper::PolicyKeeper(std::shared_ptr<const Rules> rules)
    : rules_(std::move(rules)),
      policy_(Policy::bind(std::make_shared<Rules>(), std::make_shared<Catalog>(), nullptr)) {}

std::shared_ptr<const Policy> PolicyKeeper::current() const {
  const std::lock_guard lock(mutex_);
  return policy_;
}

std::shared_ptr<const Policy> PolicyKeeper::use_catalog(std::shared_ptr<const Catalog> catalog) {
  const std::lock_guard lock(mutex_);
  const bool first = catalog_ == nullptr;
  catalog_ = std::move(catalog);
  return put_in_force(Policy::bind(rules_, catalog_, first ? nullptr : policy_.get()));
}

Result<std::shared_ptr<const Policy>> PolicyKeeper::use_rules(std::shared_ptr<const Rules> rules) {
  const std::lock_guard lock(mutex_);
  if (catalog_ == nullptr) {
    rules_ = std::move(rules);
    return policy_;
  }
  auto wanted = Policy::bind(rules, catalog_, nullptr);
  if (wanted->file_is_at_fault()) return Error{ErrorKind::invalid, lines_of(wanted->problems())};
  rules_ = std::move(rules);
  return put_in_force(std::move(wanted));
}

std::shared_ptr<const Policy> PolicyKeeper::put_in_force(std::shared_ptr<const Policy> policy) {
  policy_ = std::move(policy);
  log_new_problems();
  return policy_;
}

void PolicyKeeper::log_new_problems() {
  for (const std::string& problem : policy_->problems()) {
    if (std::find(logged_.begin(), logged_.end(), problem) == logged_.end()) {
      spdlog::error("{}", one_line(problem));
    }
  }
  logged_ = policy_->problems();
}

}  // namespace pgtide
