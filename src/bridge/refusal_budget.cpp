#include "bridge/refusal_budget.hpp"

#include <algorithm>

#include "bridge/address_key.hpp"

namespace pgtide {

double RefusalBudget::Account::spent_by(Time now) const {
  const std::chrono::duration<double> passed = now - at;
  return std::max(0.0, spent - passed.count() * per_second);
}

RefusalBudget::Account& RefusalBudget::account_of(std::string_view address, Time now) {
  std::string key = address_key(address);
  if (const auto found = accounts_.find(key); found != accounts_.end()) return found->second;
  if (accounts_.size() >= addresses_max) {
    std::erase_if(accounts_, [now](const auto& each) { return each.second.spent_by(now) == 0; });
  }
  if (accounts_.size() >= addresses_max) return others_;
  return accounts_[std::move(key)];
}

bool RefusalBudget::has_left(std::string_view address, Time now) {
  const std::lock_guard lock(mutex_);
  const auto found = accounts_.find(address_key(address));
  const bool is_other = found == accounts_.end() && accounts_.size() >= addresses_max;
  if (found == accounts_.end() && !is_other) return true;
  const Account& account = is_other ? others_ : found->second;
  return account.spent_by(now) + 1 <= burst;
}

void RefusalBudget::spend(std::string_view address, Time now) {
  const std::lock_guard lock(mutex_);
  Account& account = account_of(address, now);
  account = {account.spent_by(now) + 1, now};
}

}  // namespace pgtide
