#include "gateway/message_room.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "gateway/core.hpp"

namespace pgtide {
namespace {

// Another shard may have given room back.
constexpr std::chrono::milliseconds look_again{100};

// Of one address, so many are asked at most whether something of them has come.
constexpr std::size_t asked_at_once = 32;

// What a message may take at the rate at which frames are read, and as long again as a handshake.
std::chrono::milliseconds time_for_message(const GatewayOptions& options) {
  constexpr double bytes_per_frame = 1'024;
  const double rate = options.frames_per_second;
  const double seconds =
      rate > 0 ? static_cast<double>(options.message_bytes) / bytes_per_frame / rate : 0;
  return options.handshake_timeout +
         std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::duration<double>(seconds));
}

}  // namespace

std::size_t MessageRoom::missing(std::size_t bytes) const {
  const MemoryAccount* memory = core_.options.memory;
  // One at least, on each shard: those of another one do not give way.
  return memory == nullptr || held_.empty() ? 0 : memory->message_bytes_over(bytes);
}

bool MessageRoom::take(const Claim& claim) {
  if (held_.contains(&claim.session)) return true;
  const std::size_t bytes = missing(claim.bytes);
  if (bytes > 0 && !make_room(claim, bytes)) return false;
  add(claim);
  return true;
}

void MessageRoom::give_back(Session& session) {
  const auto found = held_.find(&session);
  if (found == held_.end()) return;
  remove(session, found->second);
  held_.erase(found);
  go_on();
}

void MessageRoom::add(const Claim& claim) {
  held_.emplace(&claim.session,
                Held{claim.origin, claim.bytes, std::chrono::steady_clock::now()});
  Party& party = parties_[claim.origin];
  ranks_.erase({party.sessions.size() > 1, party.bytes, claim.origin});
  party.bytes += claim.bytes;
  party.sessions.push_back(&claim.session);
  ranks_.insert({party.sessions.size() > 1, party.bytes, claim.origin});
  if (core_.options.memory) core_.options.memory->add(MemoryKind::messages, claim.bytes);
}

void MessageRoom::remove(Session& session, const Held& held) {
  const auto found = parties_.find(held.origin);
  Party& party = found->second;
  ranks_.erase({party.sessions.size() > 1, party.bytes, held.origin});
  party.bytes -= held.bytes;
  std::erase(party.sessions, &session);
  if (!party.sessions.empty()) {
    ranks_.insert({party.sessions.size() > 1, party.bytes, held.origin});
  } else {
    parties_.erase(found);
  }
  if (core_.options.memory) core_.options.memory->take(MemoryKind::messages, held.bytes);
}

void MessageRoom::cut_off(Session& session, std::string_view why) {
  core_.options.memory->note(MemoryStep::client_cut_off);
  session.cut_off(why);
}

bool MessageRoom::make_room(const Claim& claim, std::size_t bytes) {
  const auto leaving = find_room(claim, bytes);
  making_room_ = true;
  for (Session* session : leaving) {
    cut_off(*session, "its address has more long messages on their way than others do");
  }
  making_room_ = false;
  return !leaving.empty();
}

// Those that give way to it, so that there are so many bytes; empty: that is not enough.
std::vector<Session*> MessageRoom::find_room(const Claim& claim, std::size_t bytes) const {
  const auto own = parties_.find(claim.origin);
  const bool is_first = own == parties_.end();
  const std::size_t fair = claim.bytes + (is_first ? 0 : own->second.bytes);
  std::vector<Session*> leaving;
  std::size_t freed = 0;
  for (auto rank = ranks_.rbegin(); rank != ranks_.rend() && freed < bytes; ++rank) {
    auto [several, left, origin] = *rank;
    if (left <= fair && !(several && is_first)) continue;
    const Party& party = parties_.at(origin);
    std::size_t stay = party.sessions.size();
    for (Session* session : in_order(party)) {
      if (freed >= bytes || (left <= fair && !(stay > 1 && is_first))) break;
      const std::size_t size = held_.at(session).bytes;
      left -= size;
      freed += size;
      --stay;
      leaving.push_back(session);
    }
  }
  if (freed < bytes) leaving.clear();
  return leaving;
}

std::vector<Session*> MessageRoom::in_order(const Party& party) {
  auto sessions = party.sessions;
  const auto looked_at = sessions.begin() + static_cast<std::ptrdiff_t>(
                                                std::min(sessions.size(), asked_at_once));
  std::stable_partition(sessions.begin(), looked_at,
                        [](const Session* session) { return !session->has_unread(); });
  return sessions;
}

void MessageRoom::wait(std::size_t bytes, std::function<void()> go_on) {
  waiting_.push_back({bytes, std::move(go_on)});
  core_.deadlines->arm(core_.messages, std::chrono::steady_clock::now() + look_again);
}

void MessageRoom::go_on() {
  while (!making_room_ && !waiting_.empty() && missing(waiting_.front().bytes) == 0) {
    const auto next = std::move(waiting_.front().go_on);
    waiting_.pop_front();
    next();
  }
}

void MessageRoom::on_deadline(SteadyTime now) {
  if (waiting_.empty()) return;
  cut_off_stalled(now);
  go_on();
  if (!waiting_.empty()) core_.deadlines->arm(core_.messages, now + look_again);
}

void MessageRoom::cut_off_stalled(SteadyTime now) {
  const auto patience = time_for_message(core_.options);
  std::vector<Session*> stalled;
  for (const auto& [session, held] : held_) {
    // What has come and was not looked at is no fault of the client's.
    if (now - held.since > patience && !session->has_unread()) stalled.push_back(session);
  }
  for (Session* session : stalled) cut_off(*session, "a long message of it comes to no end");
}

}  // namespace pgtide
