#include "capture/leader.hpp"

#include <algorithm>
#include <random>

#include "capture/change_query.hpp"
#include "capture/change_row.hpp"
#include "capture/fault.hpp"
#include "capture/position.hpp"
#include "capture/skipped_changes.hpp"
#include "capture/statement_limit.hpp"

namespace pgtide {
namespace {

using namespace std::chrono_literals;

constexpr auto tick_gap = 2ms;        // CAPTURE, "Ticks"
constexpr std::chrono::microseconds deaf_poll = 50ms;
constexpr auto look_interval = 30s;   // CAPTURE, "The writer is never harmed"
constexpr auto look_pause = 1s;       // where there are too many tables for one look
// A pause is so many times as long as the look before it at least: no tick is made while it lasts,
// and anybody may ask for the next one, or make the catalog such that it takes long.
constexpr auto pause_per_look = 9;

std::uint64_t random_nonce() {
  static thread_local std::mt19937_64 random(
      (static_cast<std::uint64_t>(std::random_device{}()) << 32U) | std::random_device{}());
  return random();
}

void require_order(const pqxx::field& disorder) {
  if (disorder.is_null()) return;
  if (text_of(disorder) == disorder_foreign)
    throw LogDisorder("the log holds changes of transactions that have not been here, as after a "
                      "restore of another server's log; it begins anew, and clients read anew");
  throw LogDisorder(sequence_set_back);
}

bool must_poll(DatabaseSession& session, Config::WakeUp wanted) {
  if (wanted != Config::WakeUp::automatic) return wanted == Config::WakeUp::poll;
  return text_of(session.run("show max_prepared_transactions")[0][0]) != "0";
}

}  // namespace

bool take_leadership(DatabaseSession& session) {
  return text_of(session.run("select pgtide.take_lead()")[0][0]) == "t";
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
  listen();
}

// LISTEN reads the server's queue from its end on, gigabytes where somebody has filled it.
void Leader::listen() {
  listen_due_ = Clock::now() + look_pause;
  if (text_of(session_.run("select pgtide.queue_has_room()")[0][0]) != "t") return;
  session_.listen("pgtide_wake");
  session_.listen("pgtide_catalog");
  listens_ = true;
}

void Leader::run() {
  if (!catch_up()) return;
  searched_ = context_.feed.progress().last.snapshot;
  while (!context_.stopping()) {
    keep_house();
    wait(std::chrono::duration_cast<std::chrono::microseconds>(made_at_ + tick_gap - Clock::now()));
    const Outcome outcome = make_tick();
    searched_ = outcome.tick.snapshot;
    context_.board.heard();
    if (outcome.made) {
      if (!reader_.deliver_fresh(outcome.tick, outcome.rows)) return;
      sleeper_.found();
    } else if (!context_.stopping()) {
      wait(listens_ ? sleeper_.nothing(outcome.tick.snapshot) : deaf_poll);
    }
  }
}

void Leader::resign() {
  sleeper_.disarm();
  session_.run("select pg_advisory_unlock_all()");
  session_.run("select pgtide.tell('pgtide_tick', 'bye')");
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
  require_order(header[HeaderColumn::disorder]);
  outcome.made = !header[HeaderColumn::tick_at_us].is_null();
  outcome.tick = {last.n + 1, nonce, std::string(text_of(header[HeaderColumn::snapshot])),
                  integer_of(header[HeaderColumn::tick_at_us])};
  last_id_ = integer_of(header[HeaderColumn::last_id]);
  if (outcome.made) made_at_ = Clock::now();
  return outcome;
}

pqxx::result Leader::run_tick(std::uint64_t nonce, bool with_rows) {
  asked_at_ = Clock::now();
  const Tick& last = context_.feed.progress().last;
  const std::string name = (with_rows ? "tick" : "bare_tick") +
                           std::to_string((last.n + 1) / ticks_per_table % 3);
  return session_.run_prepared(name, static_cast<std::int64_t>(last.n),
                               static_cast<std::int64_t>(last.nonce),
                               static_cast<std::int64_t>(nonce), searched_, has_followers_,
                               sleeper_.lease_to_renew(), last_id_);
}

void Leader::keep_house() {
  const auto now = Clock::now();
  if (now >= look_due_) {
    look();
    const bool all = context_.catalogs.has_looked_at_all();
    if (all) context_.refresh_catalog(session_);
    look_for_followers();
    if (all) reader_.rest();
    const auto ended = Clock::now();
    look_welcome_at_ =
        ended + std::max<Clock::duration>(look_pause, pause_per_look * (ended - now));
    look_due_ = all ? std::max(now + look_interval, look_welcome_at_) : look_welcome_at_;
  } else if (context_.catalog_is_due()) {
    context_.refresh_catalog(session_);
  }
  if (followers_asked_ && now >= followers_due_) look_for_followers();
  if (!listens_ && now >= listen_due_) listen();
  if (!context_.feed.rows().skipped_changes().empty() && now >= skipped_due_) keep_skipped();
  if (now >= rotation_.due()) {
    const std::uint64_t bytes = rotation_.step(context_.feed.progress().last.n);
    context_.board.update([&](SourceStatus& status) {
      status.log_bytes = bytes;
      status.log_fault = rotation_.fault();
    });
  }
}

// Where they cannot be kept now, for somebody has the table locked, they are at a later call.
void Leader::keep_skipped() {
  skipped_due_ = Clock::now() + look_pause;
  const StatementLimit limit(session_, context_.options.statement_time_max);
  try {
    pgtide::keep_skipped(session_, context_.feed.rows().skipped_changes());
    context_.feed.rows().forget_skipped();
    if (!listens_) context_.note_catalog_notice();
  } catch (const pqxx::sql_error& error) {
    if (limit.passed_by(error).empty()) throw;
    skipped_due_ = Clock::now() + look_interval;
  }
}

// A table that cannot be looked at is no reason to stop telling of the others: the next look may
// succeed, and until then the status says why this one did not.
void Leader::look() {
  if (context_.catalogs.has_looked_at_all()) look_fault_.clear();
  try {
    context_.catalogs.look(session_, context_.options.statement_time_max);
  } catch (const CaptureFault& fault) {
    if (context_.stopping()) return;
    look_fault_ = fault.what();
  } catch (const pqxx::sql_error& error) {
    const std::string state = sqlstate_of(error);
    if (state.empty() || state.starts_with("57") || state.starts_with("08")) throw;
    look_fault_ = "the look at the watched tables failed: " + current_failure().message;
  }
  if (!look_fault_.empty() || context_.catalogs.has_looked_at_all())
    context_.stand(true, look_fault_);
}

void Leader::look_for_followers() {
  const auto rows = session_.run("select exists (select from pgtide.bridge where not leads)");
  has_followers_ = text_of(rows[0][0]) == "t";
  followers_asked_ = false;
  followers_due_ = Clock::now() + look_pause;
}

// Until a notification, a call from another thread, or the next piece of housework. Anybody may
// notify, and as often as he likes: a tick's statement a tick_gap is the most that this brings
// about.
void Leader::wait(std::chrono::microseconds time) {
  if (time.count() <= 0 || context_.stopping()) return;
  auto due = std::min({look_due_, rotation_.due(), context_.notice_due()});
  if (followers_asked_) due = std::min(due, followers_due_);
  if (!context_.feed.rows().skipped_changes().empty()) due = std::min(due, skipped_due_);
  const auto housework = std::max<Clock::duration>(due - Clock::now(), 0us);
  time = std::min(time, std::chrono::duration_cast<std::chrono::microseconds>(housework));
  auto notices = session_.take_notices();
  if (notices.empty()) {
    context_.signal.wait(session_.socket(), time);
    context_.signal.clear();
    notices = session_.take_notices();
  }
  if (notices.empty()) return;
  take(notices);
  context_.signal.wait(-1, std::chrono::duration_cast<std::chrono::microseconds>(
                               asked_at_ + tick_gap - Clock::now()));
}

void Leader::take(const std::vector<DatabaseSession::Notice>& notices) {
  bool catalog_changed = false;
  for (const DatabaseSession::Notice& notice : notices) {
    followers_asked_ |= notice.payload == "follower";
    catalog_changed |= notice.channel == "pgtide_catalog";
  }
  if (followers_asked_ && Clock::now() >= followers_due_) look_for_followers();
  if (!catalog_changed) return;
  context_.note_catalog_notice();
  // What was wrong with a table may be mended.
  look_due_ = std::min(look_due_, look_welcome_at_);
}

}  // namespace pgtide
