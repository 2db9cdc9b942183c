#pragma once
#include <chrono>
#include <cstdint>
#include <string>

#include "capture/database_session.hpp"

namespace pgtide {

// When the leader may sleep, and how long it waits between ticks (CAPTURE, "Wake-up").
//
//   awake ──nothing for `linger`──► settling ──nobody is left who may commit unannounced──► asleep
//     ▲                                │                                                      │
//     └───────────── a tick found something: armed = 0 ◄──────────────────────────────────────┘
//
// While it is awake it ticks again and again, and writers notify nobody: a NOTIFY serialises their
// commits. To sleep it arms: from then on writers notify. One that has read `armed` before may
// still commit without a word, so it goes on polling until all of those have ended: every
// transaction below F, asked for in the statement after arming; after 100 ms, since any long
// transaction in the cluster would keep it from sleeping, only those that hold a lock on the log.
// The tick that then finds nothing has seen all that was not announced.
// `armed` holds the end of a lease, so that a dead leader is not notified for long.
//
// In poll mode (prepared transactions fail after NOTIFY) it never arms, nor while the server's
// queue of notifications is filled (sql/03_capture.sql, pgtide.queue_has_room).
class Sleeper {
 public:
  using Clock = std::chrono::steady_clock;
  enum class State { awake, settling, asleep };

  // Disarms, whatever was left behind.
  Sleeper(DatabaseSession& session, bool polls);

  State state() const { return state_; }
  // Seconds for the next tick to renew the lease for; 0: not now.
  std::int64_t lease_to_renew() const;

  // The last tick found something (call it after delivering).
  void found();
  // The last tick's statement found nothing in `snapshot`: how long to wait for a notification.
  std::chrono::microseconds nothing(const std::string& snapshot);
  // Writers need not notify any more.
  void disarm();

 private:
  bool arm();  // false: the queue of notifications is filled, and nobody would be woken
  bool has_settled(const std::string& snapshot);
  bool holders_have_ended();
  std::chrono::microseconds backed_off();

  DatabaseSession& session_;
  bool polls_;
  std::chrono::seconds lease_;
  State state_ = State::awake;
  Clock::time_point last_found_;
  Clock::time_point armed_at_;     // while settling or asleep: when the lease began
  Clock::time_point settling_since_;
  std::uint64_t fence_ = 0;        // F
  std::string holders_;            // an array of virtual transaction ids; empty: not asked yet
  bool holders_ended_ = false;
  std::chrono::microseconds poll_{0};
};

}  // namespace pgtide
