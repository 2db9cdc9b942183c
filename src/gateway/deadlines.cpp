#include "gateway/deadlines.hpp"

#include <utility>

namespace pgtide {

void Deadlines::arm(const std::shared_ptr<Timed>& timed, SteadyTime due) {
  const auto past_grain = due.time_since_epoch() % grain;
  if (past_grain.count() != 0) due += grain - past_grain;
  if (stopped_ || due >= timed->armed_) return;
  timed->armed_ = due;
  entries_.push({due, timed});
  if (due < waiting_for_) wait();
}

void Deadlines::stop() {
  stopped_ = true;
  entries_ = {};
  timer_.cancel();
}

void Deadlines::wait() {
  waiting_for_ = entries_.top().due;
  timer_.expires_at(waiting_for_);
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (self && !error && !self->stopped_) self->call_due();
  });
}

void Deadlines::call_due() {
  waiting_for_ = SteadyTime::min();  // arm() shall not start the timer while we are at it
  const auto now = std::chrono::steady_clock::now();
  while (!entries_.empty() && entries_.top().due <= now) {
    const auto entry = entries_.top();
    entries_.pop();
    const auto timed = entry.timed.lock();
    if (!timed || timed->armed_ != entry.due) continue;  // armed for an earlier time since
    timed->armed_ = SteadyTime::max();
    timed->on_deadline(now);
  }
  waiting_for_ = SteadyTime::max();
  if (!entries_.empty() && !stopped_) wait();
}

}  // namespace pgtide
