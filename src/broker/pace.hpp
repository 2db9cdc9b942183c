#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>

namespace pgtide {

// When a burst may be held back for those who read it, and for how long. Three questions, asked
// after each piece of a batch, all of which have to be answered with yes:
//
//   Burst       Has more come at once than a backlog takes, at a rate that is worth waiting for?
//   Readership  Do those who got the piece lag on the whole? One reader, or a few, never decide.
//   PaceBudget  Has the bridge any time left to wait in?
//
// Readers who hover at the edge of their backlog cannot be told from slow ones, and so nothing here
// looks at a single reader: whatever any number of them does, small changes are never held back,
// bursts are slowed to no less than a stated rate, and all waiting has a bounded sum. (Rejected:
// waiting for each who is over half his backlog, and excusing those who were waited for in vain.
// Who goes under half for a moment is waited for anew: twelve connections delayed all others by
// 22 s.)
// Pure: time is an argument. Not thread-safe.

// What has come lately, as a vessel that leaks: pieces fill it, and `bytes_per_second` run out.
class Burst {
 public:
  using Clock = std::chrono::steady_clock;

  // Up to `free_bytes` in it are no burst.
  Burst(std::size_t free_bytes, double bytes_per_second)
      : free_bytes_(static_cast<double>(free_bytes)), bytes_per_second_(bytes_per_second) {}

  // A piece: the bytes of its frames for the one who gets most of it.
  void add(std::size_t bytes, Clock::time_point now) {
    const std::chrono::duration<double> passed = std::max(now - at_, Clock::duration::zero());
    level_ = std::max(0.0, level_ - passed.count() * bytes_per_second_);
    level_ += static_cast<double>(bytes);
    at_ = now;
  }
  // How long after the last add() it is down to `free_bytes`; 0: there is no burst. Who waits no
  // longer than this after each piece lets them through at `bytes_per_second` or faster.
  Clock::duration excess() const {
    const std::chrono::duration<double> time((level_ - free_bytes_) / bytes_per_second_);
    if (time.count() <= 0) return Clock::duration::zero();
    return std::chrono::duration_cast<Clock::duration>(time);
  }

 private:
  double free_bytes_;
  double bytes_per_second_;
  double level_ = 0;
  Clock::time_point at_{};
};

// Those who got one piece, and what then waits for them.
class Readership {
 public:
  // One who got `bytes` of it; `backlog` is none where he is behind or gone: he does not count.
  void add(std::size_t bytes, std::optional<std::size_t> backlog) {
    if (!backlog) return;
    ++count_;
    waiting_bytes_ += *backlog;
    bytes_max_ = std::max(bytes_max_, bytes);
  }
  std::size_t bytes_max() const { return bytes_max_; }
  // By how many bytes more than `each` a reader wait for all of them together.
  std::size_t surplus(std::size_t each) const {
    const std::size_t allowed = each * count_;
    return waiting_bytes_ > allowed ? waiting_bytes_ - allowed : 0;
  }

 private:
  std::size_t count_ = 0;
  std::size_t waiting_bytes_ = 0;
  std::size_t bytes_max_ = 0;
};

// The time that all who may wait have together: `capacity` at once, and `share` of the time in the
// long run. Waits that overlap cost once, so that their sum is what others are delayed by: between
// any two moments the time in which somebody waits is at most capacity + share x the time between
// them, and by how much a wait ends late, which is paid back.
class PaceBudget {
 public:
  using Clock = std::chrono::steady_clock;

  PaceBudget(Clock::duration capacity, double share, Clock::time_point now)
      : capacity_(capacity), share_(share), left_(capacity), settled_at_(now) {}

  // Somebody wants to wait: how long he may, at most `wanted`. Where that is more than 0 he waits
  // from now on, and end() is called once.
  Clock::duration begin(Clock::duration wanted, Clock::time_point now) {
    settle(now);
    const auto granted = std::min(wanted, left_);
    if (granted <= Clock::duration::zero()) return Clock::duration::zero();
    ++waiting_;
    return granted;
  }
  void end(Clock::time_point now) {
    settle(now);
    --waiting_;
  }
  // The time in which somebody has waited.
  Clock::duration spent(Clock::time_point now) {
    settle(now);
    return spent_;
  }

 private:
  void settle(Clock::time_point now) {
    if (now <= settled_at_) return;
    const auto passed = now - settled_at_;
    settled_at_ = now;
    left_ += std::chrono::duration_cast<Clock::duration>(passed * share_);
    if (waiting_ > 0) {
      left_ -= passed;
      spent_ += passed;
    }
    left_ = std::min(left_, capacity_);
  }

  Clock::duration capacity_;
  double share_;
  Clock::duration left_;  // below 0 where a wait ended late
  Clock::duration spent_{};
  Clock::time_point settled_at_;
  std::size_t waiting_ = 0;
};

}  // namespace pgtide
