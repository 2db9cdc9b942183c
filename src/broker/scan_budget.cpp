#include "broker/scan_budget.hpp"

#include <algorithm>
#include <utility>

// A filter is asked of each event, by the thread that serves everybody: what one client's filter
// takes, all others wait for. An index makes that little for most of them; what is asked in full,
// found by an index or not, is counted in steps and paid for by the connection that holds it: of
// several that share it, by the first that can, since it is asked once.
//
// Past what a connection may take for one event, the filter that went past it ends for that
// connection. What all may take together, in an event or a second, is there for whoever comes
// first, but for a *share* that each connection has whatever others took: one part for each address
// that has such filters, divided among its connections. A filter never ends for what others took
// while its connection's stay within their share of the event and of the second. When there is no
// more, the address that has taken the most in it is cut off until the second is over: its
// connections get their shares only. What it has taken is given back, once. So all of them together
// take three times the limit at the most: as much again for the shares, and for what is given back.
//
// Of a second those who went have their parts as well, addresses and connections, so that to come
// again brings no new one. A filter of a few parts is always asked of an event, since a hundred
// of them take less than one long text does.
//
// (Rejected: time instead of steps. The same filter would end on one machine and not on another, or
// because the thread was not scheduled. To ask those first that took least: who that is changes
// with each event, and each would cost a sorting of all of them.)
namespace pgtide {
namespace {

constexpr std::uint64_t connections_per_event = 3;  // that may take all they may
constexpr std::uint64_t small_filter = 200;          // steps

std::uint64_t rest_of(std::uint64_t all, std::uint64_t taken) {
  return all - std::min(all, taken);
}

std::uint64_t times(std::uint64_t factor, std::uint64_t count) {
  return factor > Scratch::unlimited / count ? Scratch::unlimited : factor * count;
}

}  // namespace

void ScanBudget::begin(Time now) {
  if (window_ > 1 && now - window_begun_ < std::chrono::seconds(1)) return;
  ++window_;
  window_begun_ = now;
  of_window_ = {limits_.per_second, limits_.per_second};
  gone_parties_ = 0;
}

void ScanBudget::enter(ConnectionNumber number, OriginNumber origin) {
  if (number >= payers_.size()) {
    payers_.resize(number + 1);
    origins_.resize(number + 1);
  }
  origins_[number] = origin;
}

void ScanBudget::forget(ConnectionNumber number) {
  const auto payer = std::move(payers_[number]);
  const bool counted = payer != nullptr && window_ > 1 && payer->taken.window == window_ &&
                       payer->taken.in_window > 0;
  if (counted) ++party_of(payer->origin).gone;
  std::erase_if(ended_, [number](const Ended& one) { return one.connection == number; });
}

void ScanBudget::take_seat(ConnectionNumber number) {
  std::unique_ptr<Payer>& payer = payers_[number];
  if (payer == nullptr) payer = std::make_unique<Payer>(Payer{.origin = origins_[number]});
  if (payer->seats++ != 0) return;
  Party& party = party_of(payer->origin);
  if (party.payers++ != 0) return;
  ++paying_parties_;
  if (std::exchange(party.gone_in, 0) == window_) --gone_parties_;
}

void ScanBudget::leave_seat(ConnectionNumber number) {
  Payer& payer = *payers_[number];
  if (--payer.seats != 0) return;
  Party& party = party_of(payer.origin);
  if (--party.payers != 0) return;
  --paying_parties_;
  if (window_ <= 1 || party.taken.in_window == 0) return;
  party.gone_in = window_;
  ++gone_parties_;
}

void ScanBudget::bring_up(Taken& taken) const {
  if (taken.event != event_) taken.in_event = 0;
  if (taken.window != window_) taken.in_window = 0;
  taken.event = event_;
  taken.window = window_;
}

ScanBudget::Party& ScanBudget::party_of(OriginNumber origin) {
  if (origin >= parties_.size()) parties_.resize(origin + 1);
  Party& party = parties_[origin];
  if (party.taken.window != window_) party.gone = 0;
  bring_up(party.taken);
  return party;
}

Visible ScanBudget::decide(DeliveryClass& in, EventRows& rows) {
  Remainder& rest = *in.traits.rest;
  if (!in.traits.filtered || rest.is_decided(rows)) return rest.decide(rows);
  if (in.unpaid) return {};
  if (event_ != rows.number()) {
    event_ = rows.number();
    const std::uint64_t all = times(limits_.per_event, connections_per_event);
    of_event_ = {all, all};
  }
  too_dear_ = false;
  for (const DeliveryClass::Member& member : in.members) {
    if (member.seat->ended) continue;
    if (!too_dear_) {
      if (const auto visible = decide_for(member.connection, rest, rows)) return *visible;
    }
    end(member, why_);
  }
  in.unpaid = true;
  return {};
}

void ScanBudget::end(const DeliveryClass::Member& member, Shortage why) {
  if (member.seat->ended) return;
  member.seat->ended = true;
  ended_.push_back({member.connection, member.seat, why});
}

std::optional<Visible> ScanBudget::decide_for(ConnectionNumber number, Remainder& rest,
                                              EventRows& rows) {
  Payer& payer = *payers_[number];
  bring_up(payer.taken);
  for (;;) {
    const std::uint64_t own = rest_of(limits_.per_event, payer.taken.in_event);
    const Party& party = party_of(payer.origin);
    const Room room = room_of(payer, party);
    if (const auto visible = try_with(payer, std::min(own, room.steps), rest, rows)) return visible;
    why_ = own <= room.steps ? Shortage::own : room.by;
    too_dear_ = why_ == Shortage::own && own == limits_.per_event;
    if (why_ == Shortage::own || party.cut_in == window_ || !make_room(why_)) return std::nullopt;
  }
}

// Of a second those who went have taken their shares as well.
ScanBudget::Room ScanBudget::room_of(const Payer& payer, const Party& party) const {
  const bool cut = party.cut_in == window_;
  const std::uint64_t all = times(limits_.per_event, connections_per_event);
  const std::uint64_t event_share = rest_of(
      std::max(all / paying_parties_ / party.payers, small_filter), payer.taken.in_event);
  const std::uint64_t window_share =
      rest_of(limits_.per_second / (paying_parties_ + gone_parties_) / (party.payers + party.gone),
              payer.taken.in_window);
  const std::uint64_t of_event = cut ? event_share : std::max(event_share, of_event_.left);
  const std::uint64_t of_window = cut && of_window_.left != Scratch::unlimited
                                      ? window_share
                                      : std::max(window_share, of_window_.left);
  if (of_event <= of_window) return {of_event, Shortage::event};
  return {of_window, Shortage::second};
}

std::optional<Visible> ScanBudget::try_with(Payer& payer, std::uint64_t steps, Remainder& rest,
                                            EventRows& rows) {
  std::uint64_t left = steps;
  const auto visible = rest.decide(rows, left);
  const std::uint64_t taken = steps - left;
  steps_ += taken;
  for (Taken* of : {&payer.taken, &party_of(payer.origin).taken}) {
    of->in_event += taken;
    of->in_window += taken;
  }
  of_event_.left -= std::min(of_event_.left, taken);
  if (of_window_.left != Scratch::unlimited) of_window_.left -= std::min(of_window_.left, taken);
  return visible;
}

// Cuts off the address that has taken the most; false where that leaves no more to anybody. Looks
// at all of them: whoever makes it so is cut off by it.
bool ScanBudget::make_room(Shortage by) {
  const bool event = by == Shortage::event;
  Purse& purse = event ? of_event_ : of_window_;
  if (purse.reserve == 0 || parties_.empty()) return false;
  const auto taken = [&](const Party& party) {
    if (party.cut_in == window_) return std::uint64_t{0};
    if (event) return party.taken.event == event_ ? party.taken.in_event : 0;
    return party.taken.window == window_ ? party.taken.in_window : 0;
  };
  Party& most = *std::max_element(
      parties_.begin(), parties_.end(),
      [&](const Party& left, const Party& right) { return taken(left) < taken(right); });
  const std::uint64_t back = std::min(taken(most), purse.reserve);
  purse.reserve = back == 0 ? 0 : purse.reserve - back;  // none, where nobody is left to be cut off
  if (back == 0) return false;
  most.cut_in = window_;
  purse.left += back;
  return true;
}

}  // namespace pgtide
