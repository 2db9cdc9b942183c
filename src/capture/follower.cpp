#include "capture/follower.hpp"

#include <algorithm>

#include "capture/change_query.hpp"
#include "capture/change_row.hpp"
#include "capture/leader.hpp"
#include "capture/position.hpp"

namespace pgtide {
namespace {

using namespace std::chrono_literals;

constexpr auto safety_poll = 2s;
constexpr auto deaf_pause = 50ms;
constexpr auto told_look_gap = 100ms;  // anybody may say that the leader has gone
constexpr auto ticks_gap = 2ms;  // between two looks for ticks, however often somebody notifies
constexpr auto catalog_interval = 30s;

}  // namespace

Follower::Follower(SourceContext& context, DatabaseSession& session)
    : context_(context), session_(session), reader_(context, session) {
  session_.prepare("stored_tick", stored_tick_statement());
  session_.prepare("unticked", unticked_statement());
  session_.run(std::string("select pgtide.show_sign(") + follower_class + ")");
  announce();
}

// LISTEN reads the server's queue from its end on, gigabytes where somebody has filled it.
void Follower::announce() {
  hears_ = text_of(session_.run("select pgtide.queue_has_room()")[0][0]) == "t";
  if (!hears_ || announced_) return;
  session_.listen("pgtide_tick");
  session_.listen("pgtide_catalog");
  session_.run("select pgtide.tell('pgtide_wake', 'follower')");
  announced_ = true;
}

void Follower::run() {
  catalog_due_ = Clock::now() + catalog_interval;
  while (!context_.stopping()) {
    if (!read_ticks()) return;
    context_.board.heard();
    if (Clock::now() >= (told_to_look_ ? told_look_due_ : look_due_)) look();
    if (leads_) return;
    wait();
  }
}

bool Follower::read_ticks() {
  while (!context_.stopping()) {
    const std::vector<Tick> ticks = ticks_after(session_, context_.feed.progress().last.n);
    if (ticks.empty()) return true;
    context_.board.update(
        [&](SourceStatus& status) { status.oldest_unread_us = ticks.front().at_us; });
    for (const Tick& tick : ticks)
      if (!reader_.deliver_stored(tick)) return false;
  }
  return false;
}

// Is the leader still there, and the history still the one that we follow?
void Follower::look() {
  look_due_ = Clock::now() + safety_poll;
  told_look_due_ = Clock::now() + told_look_gap;
  told_to_look_ = false;
  context_.feed.rows().forget_skipped();  // the leader keeps them
  establish_position(session_, context_);
  const auto found = session_.run("select exists (select from pgtide.bridge where leads)");
  const bool led = text_of(found[0][0]) == "t";
  leads_ = !led && take_leadership(session_);
  if (leads_) return;
  look_for_leader(led);
  announce();
  look_for_ticks();
  if (Clock::now() >= catalog_due_ || context_.catalog_is_due()) {
    catalog_due_ = Clock::now() + catalog_interval;
    context_.refresh_catalog(session_);
    reader_.rest();
  }
}

// Nobody leads, and we may not: another one has the turn to decide, for longer than it takes.
void Follower::look_for_leader(bool led) {
  if (led) unled_since_.reset();
  if (!led && !unled_since_) unled_since_ = Clock::now();
  std::string fault;
  if (unled_since_ && Clock::now() - *unled_since_ >= safety_poll) {
    const auto rows = session_.run(
        "select string_agg(who || ': SELECT pg_terminate_backend(' || pid || ');', ', ') "
        "from pgtide.holders_of_turn()");
    fault = "no bridge leads, and table pgtide.turn is locked";
    if (!rows[0][0].is_null()) fault.append("; end ").append(text_of(rows[0][0]));
  }
  context_.stand(false, fault);
}

// Whatever the reason: clients get nothing while nobody makes ticks for what was committed. How
// long is counted from when it was first seen, for a change is as old as its statement.
void Follower::look_for_ticks() {
  const Tick& last = context_.feed.progress().last;
  if (silent_after_ != last.n) searched_ = last.snapshot;
  const auto found = session_.run_prepared("unticked", searched_)[0];
  const bool silent = text_of(found[1]) == "t";
  if (!silent) searched_ = text_of(found[0]);
  if (!silent || silent_after_ != last.n || silent_since_us_ == 0)
    silent_since_us_ = silent ? integer_of(found[2]) : 0;
  silent_after_ = last.n;
  context_.board.update([&](SourceStatus& status) {
    if (silent || status.lacks_ticks) status.oldest_unread_us = silent_since_us_;
    status.lacks_ticks = silent;
  });
}

// Anybody may notify, and as often as he likes: a look for ticks in ticks_gap is the most that this
// brings about.
void Follower::wait() {
  const auto asked_at = Clock::now();
  auto notices = session_.take_notices();
  if (notices.empty()) {
    auto due = std::min(told_to_look_ ? told_look_due_ : look_due_, context_.notice_due());
    if (!hears_) due = std::min(due, asked_at + deaf_pause);
    const auto time = std::max<Clock::duration>(due - asked_at, 0us);
    context_.signal.wait(session_.socket(),
                         std::chrono::duration_cast<std::chrono::microseconds>(time));
    context_.signal.clear();
    notices = session_.take_notices();
  }
  for (const DatabaseSession::Notice& notice : notices) {
    if (notice.channel == "pgtide_catalog") context_.note_catalog_notice();
    if (notice.payload == "bye") told_to_look_ = true;  // the leader has gone in an orderly way
  }
  if (context_.catalog_is_due()) context_.refresh_catalog(session_);
  if (!notices.empty())
    context_.signal.wait(-1, std::chrono::duration_cast<std::chrono::microseconds>(
                                 asked_at + ticks_gap - Clock::now()));
}

}  // namespace pgtide
