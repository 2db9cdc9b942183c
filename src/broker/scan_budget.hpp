#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "broker/delivery_class.hpp"
#include "broker/event_rows.hpp"

namespace pgtide {

// How many steps (rules/value.hpp) clients' filters may take.
struct ScanLimits {
  std::uint64_t per_event = 10'000;       // those of one connection; of all, three times as many
  std::uint64_t per_second = 20'000'000;  // of all of a shard
};

// Who pays for clients' filters, and ends those that cost others too much (the design comment tops
// scan_budget.cpp). Rules are not clients' and pay nothing. Owned by its shard's thread.
class ScanBudget {
 public:
  using Time = std::chrono::steady_clock::time_point;
  // A subscription whose filter must end; the seat is marked, and may be free by now.
  struct Ended {
    ConnectionNumber connection = 0;
    const Seat* seat = nullptr;
  };

  explicit ScanBudget(ScanLimits limits) : limits_(limits) {}

  // A stretch of events begins. Without a call of it a second never ends, and has no limit.
  void begin(Time now);
  // What the class sees of the present event: nothing where nobody can pay for the answer.
  Visible decide(DeliveryClass& in, EventRows& rows);
  // The number is another connection's now.
  void forget(ConnectionNumber number);
  std::vector<Ended> take_ended() { return std::exchange(ended_, {}); }
  std::uint64_t steps() const { return steps_; }  // since the beginning

 private:
  // What a connection has taken.
  struct Payer {
    std::uint64_t event = 0, window = 0, cut_in = 0;  // numbers of what the others speak of
    std::uint64_t in_event = 0, in_window = 0;
  };
  // What all of them may take of one thing together.
  struct Purse {
    std::uint64_t left = 0;
    std::uint64_t reserve = 0;  // what may be given back to it
  };

  Payer& payer_of(ConnectionNumber number);
  std::optional<Visible> decide_for(ConnectionNumber number, Remainder& rest, EventRows& rows);
  std::optional<Visible> try_with(Payer& payer, std::uint64_t steps, Remainder& rest,
                                  EventRows& rows);
  bool make_room();
  void end(const DeliveryClass::Member& member);

  ScanLimits limits_;
  std::vector<Payer> payers_{};  // by connection number
  std::vector<Ended> ended_{};
  std::uint64_t event_ = 0;
  std::uint64_t window_ = 1;
  Time window_begun_{};
  Purse of_event_{};
  Purse of_window_{Scratch::unlimited, 0};
  std::uint64_t steps_ = 0;
  bool too_dear_ = false;  // what was decided last: for anybody
};

}  // namespace pgtide
