#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <queue>
#include <vector>

namespace pgtide {

using SteadyTime = std::chrono::steady_clock::time_point;

// Something that wants to be called when a time has come.
class Timed {
 public:
  virtual ~Timed() = default;
  // May arm itself again. May be early or for nothing: it compares with its own times.
  virtual void on_deadline(SteadyTime now) = 0;

 private:
  friend class Deadlines;
  SteadyTime armed_ = SteadyTime::max();
};

// One timer for all connections of a shard: a heap of times, rounded up to `grain`, so that ten
// thousand heartbeats are a few wake-ups and not ten thousand timers. Owned by its shard's thread.
class Deadlines : public std::enable_shared_from_this<Deadlines> {
 public:
  static constexpr std::chrono::milliseconds grain{10};

  explicit Deadlines(boost::asio::io_context& context) : timer_(context) {}

  // Calls `timed` at `due`, or at an earlier time that it is already armed for.
  void arm(const std::shared_ptr<Timed>& timed, SteadyTime due);
  void stop();

 private:
  struct Entry {
    SteadyTime due;
    std::weak_ptr<Timed> timed;
    bool operator<(const Entry& other) const { return due > other.due; }
  };
  void wait();
  void call_due();

  boost::asio::steady_timer timer_;
  std::priority_queue<Entry> entries_;
  SteadyTime waiting_for_ = SteadyTime::max();
  bool stopped_ = false;
};

}  // namespace pgtide
