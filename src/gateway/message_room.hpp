#pragma once
#include <chrono>
#include <deque>
#include <functional>
#include <unordered_map>

#include "gateway/deadlines.hpp"

namespace pgtide {

struct GatewayCore;
class Session;

// Room for long messages that are on their way. A client may send the beginning of one and rest,
// and ten thousand of them would hold `limits.message_bytes` each: so all of them, over all shards,
// have an eighth of the limit of memory. Without room a session does not read on, and its peer
// waits. Where somebody waits, a message that is not whole after a time of which any client needs a
// part only is cut off with its connection. Owned by its shard's thread.
class MessageRoom final : public Timed {
 public:
  explicit MessageRoom(GatewayCore& core) : core_(core) {}

  // Room for one whole message, until give_back(); true where the session has it already.
  bool take(Session& session);
  void give_back(Session& session);
  // Calls it when there may be room again.
  void wait(std::function<void()> go_on);
  void stop() { waiting_.clear(); }

  void on_deadline(SteadyTime now) override;

 private:
  bool has_room() const;
  void go_on();
  void cut_off_stalled(SteadyTime now);

  GatewayCore& core_;
  std::unordered_map<Session*, SteadyTime> held_since_{};
  std::deque<std::function<void()>> waiting_{};
};

}  // namespace pgtide
