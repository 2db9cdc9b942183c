#pragma once
#include "capture/batch_reader.hpp"
#include "capture/rotation.hpp"
#include "capture/database_session.hpp"
#include "capture/sleeper.hpp"
#include "capture/source_context.hpp"

namespace pgtide {

// The class of the sign that a follower shows (sql/06_look.sql).
inline constexpr const char* follower_class = "1953064038";

// Makes `session` the leader's for as long as it lasts (sql/06_look.sql, pgtide.take_lead). False:
// another bridge leads, or decides at this moment. Never waits.
bool take_leadership(DatabaseSession& session);

// The one bridge that makes ticks. It lives as long as the session that took the lead: every tick
// and every setval goes through that very session. Two that took themselves for leaders could not
// go on both: a tick names its predecessor's nonce, and one of the two finds another's.
class Leader {
 public:
  // `session` has taken the lead.
  Leader(SourceContext& context, DatabaseSession& session);

  // Returns when stop was asked for; throws on every failure.
  void run();
  // Lets go of the lead, and tells writers and followers.
  void resign();

 private:
  using Clock = std::chrono::steady_clock;
  struct Outcome {
    bool made = false;
    Tick tick{};  // where nothing was made: its snapshot only
    pqxx::result rows{};
  };

  void listen();  // where the queue of notifications has room; else at a later call
  bool catch_up();
  Outcome make_tick();
  pqxx::result run_tick(std::uint64_t nonce, bool with_rows);
  void keep_house();
  void keep_skipped();
  void look();
  void look_for_followers();
  void wait(std::chrono::microseconds time);
  void take(const std::vector<DatabaseSession::Notice>& notices);

  SourceContext& context_;
  DatabaseSession& session_;
  BatchReader reader_;
  Sleeper sleeper_;
  Rotation rotation_;
  std::string searched_;          // a snapshot with nothing in it that the last tick's lacks
  std::int64_t last_id_ = 0;      // how far the ids had come then
  bool has_followers_ = false;
  Clock::time_point made_at_{};   // when the last tick was made
  Clock::time_point asked_at_{};  // when the last tick's statement was sent
  Clock::time_point look_due_{};
  Clock::time_point look_welcome_at_{};  // not before, whoever asks for one
  Clock::time_point followers_due_{};
  Clock::time_point listen_due_{};
  Clock::time_point skipped_due_{};
  bool listens_ = false;
  bool followers_asked_ = false;  // somebody says that he follows
  std::string look_fault_;        // what has failed since the look began at the first table
};

}  // namespace pgtide
