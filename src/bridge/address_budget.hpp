#pragma once
#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace pgtide {

// How many wrong credentials an address may send: each costs a signature or a hash before it is
// known to be wrong. 64 at once, 20 a second for ever: with four tries of the dearest algorithm
// (0.6 ms, docs/decisions/auth.md) at most 5 % of a core, and a network of clients whose tokens
// have ended still finds its way. Any thread; a short lock.
class RefusalBudget {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr double burst = 64;
  static constexpr double per_second = 20;
  static constexpr std::size_t addresses_max = 16'384;  // past it the others share one budget

  // May its next credential be looked at?
  bool has_left(std::string_view address, Time now);
  // It was wrong.
  void spend(std::string_view address, Time now);

 private:
  struct Account {
    double spent = 0;
    Time at{};
    double spent_by(Time now) const;
  };
  Account& account_of(std::string_view address, Time now);

  std::mutex mutex_;
  std::unordered_map<std::string, Account> accounts_;  // who spent nothing lately has none
  Account others_;
};

}  // namespace pgtide
