#pragma once
#include <chrono>
#include <mutex>
#include <string>
#include <string_view>

#include "model/text_map.hpp"

namespace pgtide {

// What each address may spend: at most `burst` at once, and `per_second` for ever. An address is
// what address_key() makes of it. Past `addresses_max` that have spent something lately the others
// share one account. Any thread; a short lock.
class AddressBudget {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t addresses_max = 16'384;

  // A rate of 0: no limit.
  AddressBudget(double per_second, double burst) : per_second_(per_second), burst_(burst) {}

  // May it spend anything now? What is spent then may go past the burst, and is paid off first.
  bool has_left(std::string_view address, Time now);
  void spend(std::string_view address, Time now, double amount);

 private:
  struct Account {
    double spent = 0;
    Time at{};
  };
  static constexpr std::chrono::seconds sweep_interval{1};  // it looks at all of them
  double spent_by(const Account& account, Time now) const;
  Account& account_of(std::string_view address, Time now);

  const double per_second_;
  const double burst_;
  std::mutex mutex_;
  TextMap<Account> accounts_;  // of those that have spent something lately
  Account others_;
  Time swept_at_{};
};

}  // namespace pgtide
