#include "bridge/shared_budget.hpp"

namespace pgtide {

bool SharedBudget::has_left(std::string_view address, Time now) {
  if (!each_.has_left(address, now)) return false;
  if (all_.has_left(everyone, now)) return true;
  return newcomers_.has_left(address, now) && beyond_.has_left(everyone, now);
}

void SharedBudget::spend(std::string_view address, Time now, double amount) {
  each_.spend(address, now, amount);
  if (newcomers_.has_left(address, now)) newcomers_.spend(address, now, 1);
  (all_.has_left(everyone, now) ? all_ : beyond_).spend(everyone, now, amount);
}

}  // namespace pgtide
