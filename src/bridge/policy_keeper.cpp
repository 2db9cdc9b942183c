#include "bridge/policy_keeper.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace pgtide {

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
  return bind(first ? nullptr : policy_.get());
}

std::shared_ptr<const Policy> PolicyKeeper::use_rules(std::shared_ptr<const Rules> rules) {
  const std::lock_guard lock(mutex_);
  rules_ = std::move(rules);
  return catalog_ == nullptr ? policy_ : bind(nullptr);
}

std::shared_ptr<const Policy> PolicyKeeper::bind(const Policy* previous) {
  policy_ = Policy::bind(rules_, catalog_, previous);
  log_new_problems();
  return policy_;
}

void PolicyKeeper::log_new_problems() {
  for (const std::string& problem : policy_->problems()) {
    if (std::find(logged_.begin(), logged_.end(), problem) == logged_.end()) {
      spdlog::error("{}", problem);
    }
  }
  logged_ = policy_->problems();
}

}  // namespace pgtide
