#include "capture/sleeper.hpp"

#include <algorithm>

#include "capture/change_row.hpp"
#include "capture/tick.hpp"

namespace pgtide {
namespace {

using namespace std::chrono_literals;

// All measured or decided in CAPTURE, "Wake-up".
constexpr auto linger = 10ms;            // shorter costs writers NOTIFYs, longer costs statements
constexpr auto awake_poll = 2ms;
constexpr auto poll_min = 5ms;
constexpr auto poll_max = 50ms;
constexpr auto patience = 100ms;         // before only holders of the log's lock are waited for
constexpr auto safety_poll = 2s;
constexpr auto unlogged_lease = 10s;
constexpr auto logged_lease = 600s;      // each renewal writes WAL

constexpr const char* log_locks =
    "from pg_locks where locktype = 'relation' and mode = 'RowExclusiveLock' and granted and "
    "database = (select oid from pg_database where datname = current_database()) and relation in "
    "('pgtide.log0'::regclass, 'pgtide.log1'::regclass, 'pgtide.log2'::regclass)";

}  // namespace

Sleeper::Sleeper(DatabaseSession& session, bool polls)
    : session_(session), polls_(polls), lease_(unlogged_lease), last_found_(Clock::now()) {
  const auto kind =
      session_.run("select relpersistence from pg_class where oid = 'pgtide.armed'::regclass");
  if (text_of(kind[0][0]) != "u") lease_ = logged_lease;
  disarm();
}

void Sleeper::disarm() {
  session_.run("select setval('pgtide.armed', 0)");
  state_ = State::awake;
}

// A half of the lease is left when a logged one is renewed; an unlogged one is at each safety poll.
std::int64_t Sleeper::lease_to_renew() const {
  if (state_ != State::asleep) return 0;
  const bool due = lease_ == unlogged_lease || Clock::now() - armed_at_ > lease_ / 2;
  return due ? lease_.count() : 0;
}

bool Sleeper::arm() {
  const auto armed = session_.run(
      "select setval('pgtide.armed', extract(epoch from clock_timestamp())::bigint + " +
      std::to_string(lease_.count()) + ") where pgtide.queue_has_room()");
  if (armed.empty()) return false;
  fence_ = bits_of(session_.run("select pg_current_xact_id()")[0][0]);
  state_ = State::settling;
  armed_at_ = settling_since_ = Clock::now();
  holders_.clear();
  holders_ended_ = false;
  poll_ = 0us;
  return true;
}

void Sleeper::found() {
  if (state_ != State::awake) disarm();
  last_found_ = Clock::now();
  poll_ = 0us;
}

std::chrono::microseconds Sleeper::backed_off() {
  poll_ = std::clamp<std::chrono::microseconds>(poll_ * 2, poll_min, poll_max);
  return poll_;
}

std::chrono::microseconds Sleeper::nothing(const std::string& snapshot) {
  const auto now = Clock::now();
  switch (state_) {
    case State::awake:
      if (now - last_found_ < linger) return awake_poll;
      return !polls_ && arm() ? 0us : backed_off();
    case State::settling:
      if (has_settled(snapshot)) {
        state_ = State::asleep;
        return safety_poll;
      }
      return holders_have_ended() ? 0us : backed_off();
    case State::asleep:
      // Late by more than the lease, nobody may have notified for a while: begin again.
      if (now - armed_at_ > lease_ - safety_poll) {
        if (!arm()) disarm();
        return 0us;
      }
      if (lease_to_renew() > 0) armed_at_ = now;
      return safety_poll;
  }
  return safety_poll;
}

// `snapshot` is the one that found nothing, so what it sees as ended has nothing left to say.
bool Sleeper::has_settled(const std::string& snapshot) {
  return holders_ended_ || snapshot_xmin(snapshot) > fence_;
}

bool Sleeper::holders_have_ended() {
  if (Clock::now() - settling_since_ < patience) return false;
  if (holders_.empty()) {
    const auto rows = session_.run(
        std::string("select coalesce(array_agg(virtualtransaction), '{}')::text ") + log_locks);
    holders_ = text_of(rows[0][0]);
  }
  const auto rows = session_.run_with(std::string("select exists (select ") + log_locks +
                                          " and virtualtransaction = any($1::text[]))",
                                      holders_);
  holders_ended_ = text_of(rows[0][0]) == "f";
  return holders_ended_;
}

}  // namespace pgtide
