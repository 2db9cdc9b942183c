#include "bridge/address_budget.hpp"

#include <algorithm>

#include "bridge/address_key.hpp"

namespace pgtide {

double AddressBudget::spent_by(const Account& account, Time now) const {
  const std::chrono::duration<double> passed = now - account.at;
  return std::max(0.0, account.spent - passed.count() * per_second_);
}

AddressBudget::Account& AddressBudget::account_of(std::string_view address, Time now) {
  std::string key = address_key(address);
  if (const auto found = accounts_.find(key); found != accounts_.end()) return found->second;
  if (accounts_.size() >= addresses_max && now >= swept_at_ + sweep_interval) {
    swept_at_ = now;
    std::erase_if(accounts_, [&](const auto& each) { return spent_by(each.second, now) == 0; });
  }
  if (accounts_.size() >= addresses_max) return others_;
  return accounts_[std::move(key)];
}

bool AddressBudget::has_left(std::string_view address, Time now) {
  if (per_second_ <= 0) return true;
  const std::lock_guard lock(mutex_);
  const auto found = accounts_.find(address_key(address));
  const bool is_other = found == accounts_.end() && accounts_.size() >= addresses_max;
  if (found == accounts_.end() && !is_other) return true;
  return spent_by(is_other ? others_ : found->second, now) < burst_;
}

void AddressBudget::spend(std::string_view address, Time now, double amount) {
  if (per_second_ <= 0) return;
  const std::lock_guard lock(mutex_);
  Account& account = account_of(address, now);
  account = {spent_by(account, now) + amount, now};
}

}  // namespace pgtide
