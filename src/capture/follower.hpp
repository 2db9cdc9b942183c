#pragma once
#include "capture/batch_reader.hpp"
#include "capture/database_session.hpp"
#include "capture/source_context.hpp"

namespace pgtide {

// A bridge beside the leader: reads every tick that the leader makes, is told of each by NOTIFY
// pgtide_tick, and looks by itself every two seconds as well. When the leader's session ends it may
// take its lock. Needs EXECUTE and SELECT as the leader does, since it may become one.
class Follower {
 public:
  Follower(SourceContext& context, DatabaseSession& session);

  // Returns when stop was asked for, or when this session holds the leader's lock now: lead() says.
  void run();
  bool leads() const { return leads_; }

 private:
  using Clock = std::chrono::steady_clock;

  bool read_ticks();
  void look();
  void wait();

  SourceContext& context_;
  DatabaseSession& session_;
  BatchReader reader_;
  bool leads_ = false;
  bool told_to_look_ = false;
  Clock::time_point look_due_{};
  Clock::time_point catalog_due_{};
};

}  // namespace pgtide
