#include "gateway/message_room.hpp"

#include <utility>
#include <vector>

#include "gateway/core.hpp"

namespace pgtide {
namespace {

// Another shard may have given room back.
constexpr std::chrono::milliseconds look_again{100};

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

bool MessageRoom::has_room() const {
  const MemoryAccount* memory = core_.options.memory;
  return memory == nullptr || memory->takes_message(core_.options.message_bytes);
}

bool MessageRoom::take(Session& session) {
  if (held_since_.contains(&session)) return true;
  if (!has_room()) return false;
  held_since_.emplace(&session, std::chrono::steady_clock::now());
  if (MemoryAccount* memory = core_.options.memory) {
    memory->add(MemoryKind::messages, core_.options.message_bytes);
  }
  return true;
}

void MessageRoom::give_back(Session& session) {
  if (held_since_.erase(&session) == 0) return;
  if (MemoryAccount* memory = core_.options.memory) {
    memory->take(MemoryKind::messages, core_.options.message_bytes);
  }
  go_on();
}

void MessageRoom::wait(std::function<void()> go_on) {
  waiting_.push_back(std::move(go_on));
  core_.deadlines->arm(core_.messages, std::chrono::steady_clock::now() + look_again);
}

void MessageRoom::go_on() {
  while (!waiting_.empty() && has_room()) {
    const auto next = std::move(waiting_.front());
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
  for (const auto& [session, since] : held_since_) {
    // What has come and was not looked at is no fault of the client's.
    if (now - since > patience && !session->has_unread()) stalled.push_back(session);
  }
  for (Session* session : stalled) session->cut_off();
}

}  // namespace pgtide
