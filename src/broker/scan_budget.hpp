#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "broker/delivery_class.hpp"
#include "broker/event_rows.hpp"
#include "broker/origins.hpp"

namespace pgtide {

// How many steps (rules/value.hpp) clients' filters may take.
struct ScanLimits {
  std::uint64_t per_event = 10'000;       // those of one connection; of all, three times as many
  std::uint64_t per_second = 15'000'000;  // of all of a shard
  std::size_t scanned_filters = 1'000;    // on one collection that no index narrows
};

// Who pays for clients' filters, and ends those that cost others too much (the design comment tops
// scan_budget.cpp). Rules are not clients' and pay nothing. Owned by its shard's thread.
class ScanBudget {
 public:
  using Time = std::chrono::steady_clock::time_point;
  // What was used up when a filter had to end.
  enum class Shortage : unsigned char {
    own,     // what the filters of its connection may take for an event
    event,   // what all may take for an event, and the connection's share of it
    second,  // the same of a second
    places,  // for filters that no index narrows (ScanQuota)
    share,   // the same: somebody came who has fewer than his share of them
  };
  // A subscription whose filter must end; the seat is marked, and may be free by now.
  struct Ended {
    ConnectionNumber connection = 0;
    const Seat* seat = nullptr;
    Shortage why{};
  };

  explicit ScanBudget(ScanLimits limits) : limits_(limits) {}
  const ScanLimits& limits() const { return limits_; }

  // A connection has this number now; has it no longer. It holds no seats then.
  void enter(ConnectionNumber number, OriginNumber origin);
  void forget(ConnectionNumber number);
  OriginNumber origin_of(ConnectionNumber number) const { return origins_[number]; }
  // It holds one more seat, or one less, of a class whose filter is asked.
  void take_seat(ConnectionNumber number);
  void leave_seat(ConnectionNumber number);

  // A stretch of events begins. Without a call of it a second never ends, and has no limit.
  void begin(Time now);
  // What the class sees of the present event: nothing where nobody can pay for the answer.
  Visible decide(DeliveryClass& in, EventRows& rows);
  void end(const DeliveryClass::Member& member, Shortage why);
  std::vector<Ended> take_ended() { return std::exchange(ended_, {}); }
  std::uint64_t steps() const { return steps_; }  // since the beginning

 private:
  // What was taken for one event and in one second, each with the number of what it speaks of.
  struct Taken {
    std::uint64_t event = 0, window = 0;
    std::uint64_t in_event = 0, in_window = 0;
  };
  struct Payer {  // a connection that holds a seat, or held one
    OriginNumber origin = 0;
    std::size_t seats = 0;
    Taken taken{};
  };
  struct Party {  // an origin
    std::size_t payers = 0;  // that hold seats
    std::size_t gone = 0;    // connections that took something in this second, and went
    std::uint64_t gone_in = 0;  // the window in which it took something, and was left by its payers
    std::uint64_t cut_in = 0;  // the window in which it gets no more than its shares
    Taken taken{};
  };
  // What all of them may take of one thing together.
  struct Purse {
    std::uint64_t left = 0;
    std::uint64_t reserve = 0;  // what may be given back to it
  };
  // What a payer may still take, and what keeps it from more.
  struct Room {
    std::uint64_t steps = 0;
    Shortage by{};
  };

  void bring_up(Taken& taken) const;
  Party& party_of(OriginNumber origin);
  Room room_of(const Payer& payer, const Party& party) const;
  std::optional<Visible> decide_for(ConnectionNumber number, Remainder& rest, EventRows& rows);
  std::optional<Visible> try_with(Payer& payer, std::uint64_t steps, Remainder& rest,
                                  EventRows& rows);
  bool make_room(Shortage by);

  const ScanLimits limits_;
  std::vector<OriginNumber> origins_{};            // by connection number
  std::vector<std::unique_ptr<Payer>> payers_{};  // the same; null: it has paid for nothing
  std::vector<Party> parties_{};  // by origin number
  std::size_t paying_parties_ = 0;
  std::size_t gone_parties_ = 0;  // in this window
  std::vector<Ended> ended_{};
  std::uint64_t event_ = 0;
  std::uint64_t window_ = 1;
  Time window_begun_{};
  Purse of_event_{};
  Purse of_window_{Scratch::unlimited, 0};
  std::uint64_t steps_ = 0;
  Shortage why_{};         // the filter that was decided last could not be paid for
  bool too_dear_ = false;  // and that for nobody
};

}  // namespace pgtide
