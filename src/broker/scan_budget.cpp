#include "broker/scan_budget.hpp"

#include <algorithm>

// A filter is asked of each event, by the thread that serves everybody: what one client's filter
// takes, all others wait for. An index makes that little for most of them; what is asked in full,
// found by an index or not, is counted in steps and paid for by the connection that holds it: of
// several that share it, by the first, since it is asked once.
//
// Past what a connection may take for one event, the filter that went past it ends for that
// connection. Past what all may take together, in an event or a second, the connection that has
// taken the most in it is cut off until the second is over, and its filters end as they come up.
// What it has taken is given back, once: so those who come after it find room, and all of them
// together take twice the limit at the most. A filter of a few parts is asked of an event even
// then, since a hundred of them take less than one long text does.
//
// (Rejected: time instead of steps. The same filter would end on one machine and not on another, or
// because the thread was not scheduled.)
namespace pgtide {
namespace {

constexpr std::uint64_t connections_per_event = 3;  // that may take all they may
constexpr std::uint64_t small_filter = 200;         // steps

}  // namespace

void ScanBudget::begin(Time now) {
  if (window_ > 1 && now - window_begun_ < std::chrono::seconds(1)) return;
  ++window_;
  window_begun_ = now;
  of_window_ = {limits_.per_second, limits_.per_second};
}

void ScanBudget::forget(ConnectionNumber number) {
  if (number < payers_.size()) payers_[number] = {};
  std::erase_if(ended_, [number](const Ended& one) { return one.connection == number; });
}

ScanBudget::Payer& ScanBudget::payer_of(ConnectionNumber number) {
  if (number >= payers_.size()) payers_.resize(number + 1);
  Payer& payer = payers_[number];
  if (payer.event != event_) payer.in_event = 0;
  if (payer.window != window_) payer.in_window = 0;
  payer.event = event_;
  payer.window = window_;
  return payer;
}

Visible ScanBudget::decide(DeliveryClass& in, EventRows& rows) {
  Remainder& rest = *in.traits.rest;
  if (!in.traits.filtered || rest.is_decided(rows)) return rest.decide(rows);
  if (in.unpaid) return {};
  if (event_ != rows.number()) {
    event_ = rows.number();
    const std::uint64_t all = limits_.per_event * connections_per_event;
    of_event_ = {all, all};
  }
  too_dear_ = false;
  for (const DeliveryClass::Member& member : in.members) {
    if (member.seat->ended) continue;
    if (!too_dear_) {
      if (const auto visible = decide_for(member.connection, rest, rows)) return *visible;
    }
    end(member);
  }
  in.unpaid = true;
  return {};
}

std::optional<Visible> ScanBudget::decide_for(ConnectionNumber number, Remainder& rest,
                                              EventRows& rows) {
  Payer& payer = payer_of(number);
  while (payer.cut_in != window_) {
    const std::uint64_t own = limits_.per_event - std::min(limits_.per_event, payer.in_event);
    const std::uint64_t small = small_filter - std::min(small_filter, payer.in_event);
    const std::uint64_t room = std::min(std::max(of_event_.left, small), of_window_.left);
    if (const auto visible = try_with(payer, std::min(own, room), rest, rows)) return visible;
    if (own <= room) {
      too_dear_ = own == limits_.per_event;
      return std::nullopt;
    }
    if (!make_room()) break;
  }
  return std::nullopt;
}

std::optional<Visible> ScanBudget::try_with(Payer& payer, std::uint64_t steps, Remainder& rest,
                                            EventRows& rows) {
  std::uint64_t left = steps;
  const auto visible = rest.decide(rows, left);
  const std::uint64_t taken = steps - left;
  steps_ += taken;
  payer.in_event += taken;
  payer.in_window += taken;
  of_event_.left -= std::min(of_event_.left, taken);
  if (of_window_.left != Scratch::unlimited) of_window_.left -= std::min(of_window_.left, taken);
  return visible;
}

// Cuts off who has taken the most; false where that leaves no more to anybody. Looks at everybody:
// whoever makes it so is cut off by it.
bool ScanBudget::make_room() {
  const bool event = of_event_.left <= of_window_.left;
  Purse& purse = event ? of_event_ : of_window_;
  const auto taken = [&](const Payer& payer) {
    if (payer.cut_in == window_) return std::uint64_t{0};
    if (event) return payer.event == event_ ? payer.in_event : 0;
    return payer.window == window_ ? payer.in_window : 0;
  };
  Payer& most = *std::max_element(
      payers_.begin(), payers_.end(),
      [&](const Payer& left, const Payer& right) { return taken(left) < taken(right); });
  const std::uint64_t back = std::min(taken(most), purse.reserve);
  if (back == 0) return false;
  most.cut_in = window_;
  purse.reserve -= back;
  purse.left += back;
  return true;
}

void ScanBudget::end(const DeliveryClass::Member& member) {
  member.seat->ended = true;
  ended_.push_back({member.connection, member.seat});
}

}  // namespace pgtide
