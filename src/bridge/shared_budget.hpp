#pragma once
#include <chrono>
#include <string_view>

#include "bridge/address_budget.hpp"

namespace pgtide {

// What each address may spend, and all of them together: a crowd of many addresses gets no more
// than the one that is allowed most. When it has spent all, an address that has spent nothing for
// `newcomer_interval` may still spend once, a probe or a client that comes for the first time; all
// of these together as much again, since whoever has a network has addresses without end. Any
// thread.
class SharedBudget {
 public:
  using Time = AddressBudget::Time;
  struct Rate {
    double per_second = 0;  // 0: no limit
    double burst = 0;
  };

  SharedBudget(Rate each, Rate all, std::chrono::duration<double> newcomer_interval)
      : each_(each.per_second, each.burst),
        all_(all.per_second, all.burst),
        newcomers_(1 / newcomer_interval.count(), nearly_nothing),
        beyond_(all.per_second, all.burst) {}

  // May it spend anything now? What is spent then may go past what is left, and is paid off first.
  bool has_left(std::string_view address, Time now);
  void spend(std::string_view address, Time now, double amount);

 private:
  static constexpr double nearly_nothing = 1e-6;  // one is owed from the first on
  static constexpr std::string_view everyone{};

  AddressBudget each_;
  AddressBudget all_;        // one account
  AddressBudget newcomers_;  // one that was spent, whatever it was
  AddressBudget beyond_;     // one account: what newcomers have past all_
};

}  // namespace pgtide
