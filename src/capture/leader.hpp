#pragma once
#include "capture/batch_reader.hpp"
#include "capture/rotation.hpp"
#include "capture/database_session.hpp"
#include "capture/sleeper.hpp"
#include "capture/source_context.hpp"

namespace pgtide {

// The advisory locks of a database (classid, objid; 'tide' in ASCII): one bridge holds the
// leader's, each follower shares the second, so that the leader knows whether anybody wants to be
// told. A leader holds the third, too: who has the first without it is another program.
inline constexpr const char* leader_lock = "1953064037, 1";
inline constexpr const char* follower_lock = "1953064037, 2";
inline constexpr const char* leader_mark = "1953064037, 3";

// Takes the leader's lock, and with it the mark of a bridge, for `session`. False: it is taken.
bool take_leadership(DatabaseSession& session);

// The one bridge that makes ticks. It lives as long as the session that holds the leader's lock:
// every tick and every setval goes through that very session, so who has lost the lock cannot tick.
class Leader {
 public:
  // `session` holds the lock.
  Leader(SourceContext& context, DatabaseSession& session);

  // Returns when stop was asked for; throws on every failure.
  void run();
  // Lets go of the lock, and tells writers and followers.
  void resign();

 private:
  using Clock = std::chrono::steady_clock;
  struct Outcome {
    bool made = false;
    Tick tick{};  // where nothing was made: its snapshot only
    pqxx::result rows{};
  };

  bool catch_up();
  Outcome make_tick();
  pqxx::result run_tick(std::uint64_t nonce, bool with_rows);
  void keep_house();
  void look();
  void look_for_followers();
  void wait(std::chrono::microseconds time);

  SourceContext& context_;
  DatabaseSession& session_;
  BatchReader reader_;
  Sleeper sleeper_;
  Rotation rotation_;
  std::string searched_;          // a snapshot with nothing in it that the last tick's lacks
  bool has_followers_ = false;
  Clock::time_point made_at_{};   // when the last tick was made
  Clock::time_point looked_at_{};
  Clock::time_point look_due_{};
  std::string look_fault_;        // what has failed since the look began at the first table
};

}  // namespace pgtide
