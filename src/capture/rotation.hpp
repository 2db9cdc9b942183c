#pragma once
#include <chrono>
#include <cstdint>
#include <string>

#include "capture/database_session.hpp"

namespace pgtide {

// Keeps the log within retention and size, without ever making a writer wait (CAPTURE, "Rotation";
// the steps are functions of sql/, each called in a statement of its own).
//
//   current ──a third of retention or log_bytes──► left ──F noted──► sealed ──covered──► empty
//
// Three tables: one is written, one is full of what must be kept, the next is empty already. A
// table is covered when the last tick that retention gives up sees everything in it; that tick
// becomes the horizon, and then the table is truncated, if nobody uses it at that moment. Where the
// size is what presses, the newest tick takes retention's place.
// Tick tables go by number: the one that the next block of ticks_per_table needs is emptied in the
// second half of the block before.
// By the leader only.
class Rotation {
 public:
  using Clock = std::chrono::steady_clock;
  struct Limits {
    std::chrono::milliseconds retention{};
    std::uint64_t log_bytes = 0;
  };

  Rotation(DatabaseSession& session, Limits limits);

  Clock::time_point due() const { return due_; }
  // Does what can be done now and returns; `newest` is the last tick's number. Returns the log
  // tables' size in bytes.
  std::uint64_t step(std::uint64_t newest);
  // Why the log has been larger than it may be for a while, and the mend; empty: it is not.
  const std::string& fault() const { return fault_; }

 private:
  struct Log {
    bool current = false;
    bool left = false;      // was written, and is neither current nor sealed
    bool sealed = false;
    std::uint64_t bytes = 0;
  };
  struct Survey {
    Log logs[3];
    bool current_used = false;
    bool unsealed = false;  // writers look into all the tables
    std::chrono::milliseconds age{};  // since the last switch
    std::uint64_t tick_bytes = 0;
    std::uint64_t bytes() const { return logs[0].bytes + logs[1].bytes + logs[2].bytes; }
  };

  Survey survey();
  void empty_sealed(unsigned log, bool forced);
  bool is_full(const Survey& found) const;
  void empty_ticks(std::uint64_t newest);
  void weigh(const Survey& found);

  DatabaseSession& session_;
  Limits limits_;
  Clock::duration pace_;
  Clock::time_point due_;
  Clock::time_point within_at_;  // when the log was last no larger than it may be
  std::string fault_;
};

}  // namespace pgtide
