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
constexpr auto catalog_interval = 30s;

}  // namespace

Follower::Follower(SourceContext& context, DatabaseSession& session)
    : context_(context), session_(session), reader_(context, session) {
  session_.prepare("stored_tick", stored_tick_statement());
  session_.listen("pgtide_tick");
  session_.listen("pgtide_catalog");
  session_.run(std::string("select pg_advisory_lock_shared(") + follower_lock + ")");
  session_.run("notify pgtide_wake, 'follower'");
}

void Follower::run() {
  catalog_due_ = Clock::now() + catalog_interval;
  while (!context_.stopping()) {
    if (!read_ticks()) return;
    if (Clock::now() >= look_due_ || told_to_look_) look();
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
  told_to_look_ = false;
  establish_position(session_, context_);
  leads_ = take_leadership(session_);
  if (leads_) {
    session_.run(std::string("select pg_advisory_unlock_shared(") + follower_lock + ")");
    return;
  }
  context_.board.stand(context_.sink, true, false, context_.stranger.look(session_));
  if (Clock::now() >= catalog_due_ || context_.catalog_is_due()) {
    catalog_due_ = Clock::now() + catalog_interval;
    context_.refresh_catalog(session_);
    reader_.rest();
  }
}

void Follower::wait() {
  auto notices = session_.take_notices();
  if (notices.empty()) {
    const auto time = look_due_ - Clock::now();
    context_.signal.wait(session_.socket(),
                         std::chrono::duration_cast<std::chrono::microseconds>(time));
    context_.signal.clear();
    notices = session_.take_notices();
  }
  for (const DatabaseSession::Notice& notice : notices) {
    if (notice.channel == "pgtide_catalog") context_.refresh_catalog(session_);
    if (notice.payload == "bye") told_to_look_ = true;  // the leader has gone in an orderly way
  }
  if (context_.catalog_is_due()) context_.refresh_catalog(session_);
}

}  // namespace pgtide
