#pragma once
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "gateway/entrance.hpp"
#include "gateway/operator.hpp"
#include "model/text_map.hpp"

namespace pgtide {

// Counts accepted sockets and WebSockets of all shards against the limits: a socket from its accept
// to its end, so that nobody holds more by not asking for an upgrade. Any thread; a lock per socket
// and one per handshake. A WebSocket is kept out by others only, not by sockets that rest: those
// give way.
//
// Where all places are held, a newcomer whose address has fewer than half of what the address with
// the most has comes in all the same, and one of the latter's goes: the numbers of both come nearer
// to each other each time, and an address with no more than its share (the limit by the number of
// addresses) never loses any. (Rejected: a limit per address alone. What an office needs is more
// than the share of each of two hundred addresses that a stranger has.)
//
// A full house must still be able to say so, and its operator to look: past a limit there is a
// spare part, whose sockets are answered once; half of it is kept for addresses that have less than
// their share. Sockets past that are closed unread. Operators at a listener of their own have
// places of their own, which no crowd of clients takes.
class ConnectionLimiter {
 public:
  static constexpr std::size_t spare_per_address = 8;
  static constexpr std::size_t operators_max = 256;

  // `per_address_max` 0: no limit.
  ConnectionLimiter(std::size_t connections_max, std::size_t per_address_max)
      : connections_max_(connections_max), per_address_max_(per_address_max) {}

  // Until open() everyone is told that the bridge is starting.
  void open() { open_ = true; }
  bool is_open() const { return open_; }

  // A socket was accepted; `address` is empty where it is a proxy's, behind which are many. None:
  // there is no place. The limiter outlives the arrival's place.
  std::optional<Arrival> enter(Entrance entrance, std::string_view address);

  // All places of the bridge are held, whoever holds them.
  bool is_full();

  // May a socket that has entered be a WebSocket? Counts it besides the place, which the caller
  // lets go of.
  Operator::Admission admit(std::string_view address);
  // Where it may not, since there is no place or no memory: lets it in for one of the address that
  // has the most, whose key it returns; that one is the caller's to end, and may take its time: of
  // the spare part as many are let in meanwhile. None: it stays out.
  std::optional<std::string> admit_instead(std::string_view address);
  // All of `stays` are to stay: the next one to look at for the same newcomer, who is in.
  std::optional<std::string> pick_another(std::string_view address, const std::string& stays);
  void release(std::string_view address);

 private:
  struct Held {
    std::size_t sockets = 0;  // that are no WebSocket
    std::size_t connections = 0;
    std::size_t leaving = 0;  // of them, those that are to end
    bool stays = false;       // none of them could be ended
    std::size_t rank() const;
    std::size_t all() const { return sockets + connections; }
  };
  std::size_t spare() const { return 64 + connections_max_ / 16; }
  void leave(Entrance entrance, const std::string& key);
  void let_in(const std::string& key);
  template <class Change>
  void change(const std::string& key, Change make);
  Held held_by(const std::string& key) const;
  std::size_t spare_for(const std::string& key) const;
  std::optional<std::string> pick_leaver(std::size_t newcomer_has);

  const std::size_t connections_max_;
  const std::size_t per_address_max_;
  std::atomic<bool> open_ = false;
  std::mutex mutex_;
  Held held_;
  std::size_t operators_ = 0;  // sockets at their own listener
  TextMap<Held> by_address_;
  std::set<std::pair<std::size_t, std::string>> ranked_;  // addresses by what they might lose
};

}  // namespace pgtide
