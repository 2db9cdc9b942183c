#include "capture/leader.hpp"

#include <algorithm>
#include <random>

#include "capture/change_query.hpp"
#include "capture/change_row.hpp"
#include "capture/fault.hpp"
#include "capture/position.hpp"

namespace pgtide {
namespace {

using namespace std::chrono_literals;

constexpr auto tick_gap = 2ms;        // CAPTURE, "Ticks"
constexpr auto look_interval = 30s;   // CAPTURE, "The writer is never harmed"
constexpr auto look_pause = 1s;       // where there are too many tables for one look

std::uint64_t random_nonce() {
  static thread_local std::mt19937_64 random(
      (static_cast<std::uint64_t>(std::random_device{}()) << 32U) | std::random_device{}());
  return random();
}

bool must_poll(DatabaseSession& session, Config::WakeUp wanted) {
  if (wanted != Config::WakeUp::automatic) return wanted == Config::WakeUp::poll;
  return text_of(session.run("show max_prepared_transactions")[0][0]) != "0";
}

}  // namespace

// In one statement: the lock is without its mark for a moment only.
bool take_leadership(DatabaseSession& session) {
  const auto taken = session.run(std::string("select pg_try_advisory_lock(") + leader_lock +
                                 ") and pg_try_advisory_lock(" + leader_mark + ") is not null");
  return text_of(taken[0][0]) == "t";
}

Leader::Leader(SourceContext& context, DatabaseSession& session)
    : context_(context), session_(session), reader_(context, session),
      sleeper_(session, must_poll(session, context.options.wake_up)),
      rotation_(session, {context.options.retention, context.options.log_bytes}) {
  for (unsigned table = 0; table < 3; ++table) {
    session_.prepare("tick" + std::to_string(table), tick_statement(table, true));
    session_.prepare("bare_tick" + std::to_string(table), tick_statement(table, false));
  }
  session_.prepare("stored_tick", stored_tick_statement());
  session_.listen("pgtide_wake");
  session_.listen("pgtide_catalog");
}

void Leader::run() {
  if (!catch_up()) return;
  searched_ = context_.feed.progress().last.snapshot;
  while (!context_.stopping()) {
    keep_house();
    wait(std::chrono::duration_cast<std::chrono::microseconds>(made_at_ + tick_gap - Clock::now()));
    const Outcome outcome = make_tick();
    searched_ = outcome.tick.snapshot;
    if (outcome.made) {
      if (!reader_.deliver_fresh(outcome.tick, outcome.rows)) return;
      sleeper_.found();
    } else if (!context_.stopping()) {
      wait(sleeper_.nothing(outcome.tick.snapshot));
    }
  }
}

void Leader::resign() {
  sleeper_.disarm();
  for (const char* lock : {leader_lock, leader_mark})
    session_.run(std::string("select pg_advisory_unlock(") + lock + ")");
  session_.run("notify pgtide_tick, 'bye'");
}

// What was made and not delivered: before the connection was lost, or by the leader before.
bool Leader::catch_up() {
  while (!context_.stopping()) {
    const std::vector<Tick> ticks = ticks_after(session_, context_.feed.progress().last.n);
    if (ticks.empty()) return true;
    for (const Tick& tick : ticks)
      if (!reader_.deliver_stored(tick)) return false;
  }
  return false;
}

// Returns without a tick where there is nothing in it. A row that PostgreSQL cannot print fails the
// whole statement, tick and all: then the tick is made first and read afterwards.
Leader::Outcome Leader::make_tick() {
  const Tick& last = context_.feed.progress().last;
  const std::uint64_t nonce = random_nonce();
  Outcome outcome;
  try {
    outcome.rows = run_tick(nonce, true);
  } catch (const pqxx::sql_error& error) {
    const std::string state = sqlstate_of(error);
    if (!is_unprintable(state) && !is_out_of_memory(state)) throw;
    outcome.rows = run_tick(nonce, false);
  }
  const auto header = outcome.rows[0];
  if (text_of(header[HeaderColumn::known]) != "t")
    throw CaptureFault(ErrorKind::conflict, "tick " + std::to_string(last.n) +
                                                " is no longer the last one that we know");
  outcome.made = !header[HeaderColumn::tick_at_us].is_null();
  outcome.tick = {last.n + 1, nonce, std::string(text_of(header[HeaderColumn::snapshot])),
                  integer_of(header[HeaderColumn::tick_at_us])};
  if (outcome.made) made_at_ = Clock::now();
  return outcome;
}

pqxx::result Leader::run_tick(std::uint64_t nonce, bool with_rows) {
  const Tick& last = context_.feed.progress().last;
  const std::string name = (with_rows ? "tick" : "bare_tick") +
                           std::to_string((last.n + 1) / ticks_per_table % 3);
  return session_.run_prepared(name, static_cast<std::int64_t>(last.n),
                               static_cast<std::int64_t>(last.nonce),
                               static_cast<std::int64_t>(nonce), searched_, has_followers_,
                               sleeper_.lease_to_renew());
}

void Leader::keep_house() {
  const auto now = Clock::now();
  if (now >= look_due_) {
    looked_at_ = now;
    look();
    const bool all = context_.catalogs.has_looked_at_all();
    look_due_ = now + (all ? look_interval : look_pause);
    if (all) context_.refresh_catalog(session_);
    look_for_followers();
    if (all) reader_.rest();
  } else if (context_.catalog_is_due()) {
    context_.refresh_catalog(session_);
  }
  if (now >= rotation_.due()) {
    const std::uint64_t bytes = rotation_.step(context_.feed.progress().last.n);
    context_.board.update([&](SourceStatus& status) { status.log_bytes = bytes; });
  }
}

// A table that cannot be looked at is no reason to stop telling of the others: the next look may
// succeed, and until then the status says why this one did not.
void Leader::look() {
  if (context_.catalogs.has_looked_at_all()) look_fault_.clear();
  try {
    context_.catalogs.look(session_);
  } catch (const pqxx::sql_error& error) {
    const std::string state = sqlstate_of(error);
    if (state.empty() || state.starts_with("57") || state.starts_with("08")) throw;
    look_fault_ = "the look at the watched tables failed: " + current_failure().message;
  }
  if (!look_fault_.empty() || context_.catalogs.has_looked_at_all())
    context_.board.stand(context_.sink, true, true, look_fault_);
}

void Leader::look_for_followers() {
  const auto rows = session_.run(
      std::string("select exists (select from pg_locks where locktype = 'advisory' "
                  "and objsubid = 2 "
                  "and database = (select oid from pg_database where datname = current_database()) "
                  "and (classid, objid) = (") + follower_lock + "))");
  has_followers_ = text_of(rows[0][0]) == "t";
}

// Until a notification, a call from another thread, or the next piece of housework.
void Leader::wait(std::chrono::microseconds time) {
  if (time.count() <= 0 || context_.stopping()) return;
  const auto housework = std::min(look_due_, rotation_.due()) - Clock::now();
  time = std::min(time, std::chrono::duration_cast<std::chrono::microseconds>(housework));
  auto notices = session_.take_notices();
  if (notices.empty()) {
    context_.signal.wait(session_.socket(), time);
    context_.signal.clear();
    notices = session_.take_notices();
  }
  bool catalog_changed = false;
  for (const DatabaseSession::Notice& notice : notices) {
    if (notice.payload == "follower") look_for_followers();
    catalog_changed |= notice.channel == "pgtide_catalog";
  }
  if (!catalog_changed) return;
  context_.refresh_catalog(session_);
  // What was wrong with a table may be mended. But anybody may notify, and as often as he likes.
  look_due_ = std::min(look_due_, looked_at_ + look_pause);
}

}  // namespace pgtide
