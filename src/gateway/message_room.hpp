#pragma once
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "broker/origins.hpp"
#include "gateway/deadlines.hpp"

namespace pgtide {

struct GatewayCore;
class Session;

// Room for long messages that are on their way. A client may send the beginning of one and rest,
// and ten thousand of them would hold what their frames announce: so all of them, over all shards,
// have an eighth of the limit of memory. Without room a session does not read on, and its peer
// waits. Owned by its shard's thread.
//
// Where room is short, addresses share it: those that hold several messages give way first, the
// largest first, so that an address without any gets its first message in at once, and one that
// has some as many bytes as they have. An address that has one message alone gives way only to
// what is smaller. Of one address those go first of which nothing has come that was not looked at,
// the oldest of them. Where that finds no room (those of one address among each other, say), the
// message waits, and one that is not whole after a time of which any client needs a part only is
// cut off with its connection.
class MessageRoom final : public Timed {
 public:
  // A whole message, as far as its frame's header tells.
  struct Claim {
    Session& session;
    OriginNumber origin = 0;
    std::size_t bytes = 0;
  };

  explicit MessageRoom(GatewayCore& core) : core_(core) {}

  // Room for it, until give_back(); true where the session has some already. May cut off others.
  bool take(const Claim& claim);
  void give_back(Session& session);
  // Calls it when there may be room for so many bytes again.
  void wait(std::size_t bytes, std::function<void()> go_on);
  void stop() { waiting_.clear(); }

  void on_deadline(SteadyTime now) override;

 private:
  struct Held {
    OriginNumber origin = 0;
    std::size_t bytes = 0;
    SteadyTime since{};
  };
  struct Party {  // an address that holds some
    std::size_t bytes = 0;
    std::vector<Session*> sessions{};  // the oldest first
  };
  struct Waiting {
    std::size_t bytes = 0;
    std::function<void()> go_on{};
  };
  // Has it several; bytes; which.
  using Rank = std::tuple<bool, std::size_t, OriginNumber>;

  std::size_t missing(std::size_t bytes) const;
  bool make_room(const Claim& claim, std::size_t bytes);
  std::vector<Session*> find_room(const Claim& claim, std::size_t bytes) const;
  static std::vector<Session*> in_order(const Party& party);
  void add(const Claim& claim);
  void remove(Session& session, const Held& held);
  void go_on();
  void cut_off(Session& session, std::string_view why);
  void cut_off_stalled(SteadyTime now);

  GatewayCore& core_;
  std::unordered_map<Session*, Held> held_{};
  std::map<OriginNumber, Party> parties_{};
  std::set<Rank> ranks_{};  // of parties_
  std::deque<Waiting> waiting_{};
  bool making_room_ = false;  // what is given back has its taker
};

}  // namespace pgtide
