#pragma once
#include <optional>

#include "capture/batch_reader.hpp"
#include "capture/database_session.hpp"
#include "capture/source_context.hpp"

namespace pgtide {

// A bridge beside the leader: reads every tick that the leader makes, is told of each by NOTIFY
// pgtide_tick, and looks by itself every two seconds as well, or twenty times a second where the
// server's queue of notifications is filled. It also looks whether the log has changes that nobody
// makes a tick for. When the leader's session ends it may take the lead. Needs EXECUTE and SELECT
// as the leader does, since it may become one.
class Follower {
 public:
  Follower(SourceContext& context, DatabaseSession& session);

  // Returns when stop was asked for, or when this session leads now: leads() says.
  void run();
  bool leads() const { return leads_; }

 private:
  using Clock = std::chrono::steady_clock;

  bool read_ticks();
  void look();
  void announce();
  void look_for_leader(bool led);
  void look_for_ticks();
  void wait();

  SourceContext& context_;
  DatabaseSession& session_;
  BatchReader reader_;
  bool leads_ = false;
  bool told_to_look_ = false;
  bool announced_ = false;         // the leader has been told that somebody follows
  bool hears_ = true;              // notifications go through
  std::string searched_;           // a snapshot with nothing in it that lacks a tick
  std::uint64_t silent_after_ = 0;  // the tick that committed changes have waited after
  std::int64_t silent_since_us_ = 0;
  std::optional<Clock::time_point> unled_since_;
  Clock::time_point look_due_{};
  Clock::time_point told_look_due_{};
  Clock::time_point catalog_due_{};
};

}  // namespace pgtide
