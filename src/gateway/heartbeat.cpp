#include "gateway/heartbeat.hpp"

namespace pgtide {

bool Heartbeat::is_alive(const Signs& signs) const {
  if (signs.received != at_ping_.received) return true;
  return at_ping_.queued > 0 && signs.acknowledged != at_ping_.acknowledged;
}

Heartbeat::Step Heartbeat::step(Time now, const Signs& signs) {
  if (now >= check_at_) {
    if (!is_alive(signs)) return Step::lost;
    check_at_ = Time::max();
  }
  if (now < ping_at_) return Step::wait;
  ping_at_ = now + interval_;
  if (check_at_ == Time::max()) {  // else the timeout is the longer one, and still runs
    check_at_ = now + timeout_;
    at_ping_ = signs;
  }
  return Step::ping;
}

}  // namespace pgtide
