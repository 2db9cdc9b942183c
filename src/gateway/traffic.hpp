#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <utility>

#include "gateway/gateway.hpp"

namespace pgtide {

// The shard's counters, and how many of its connections have more than half their backlog
// waiting: that paces a burst (ARCHITECTURE, "Write in bulk"). One that was waited for in vain is
// excused until it has been under half again, so that a stuck or a wilful reader delays the others
// once, and not with each piece. Owned by its shard's thread.
class Traffic {
 public:
  explicit Traffic(boost::asio::io_context& context) : context_(context) {}

  GatewayCounters counters{};

  bool paced() const { return over_half_ == 0; }
  void when_paced(std::function<void()> then) {
    waiting_ = std::move(then);
    if (paced()) call();
  }
  // A connection has passed half its backlog; it keeps what this returns for fell_below_half().
  std::uint64_t rose_over_half() {
    ++over_half_;
    return round_;
  }
  void fell_below_half(std::uint64_t round) {
    if (round != round_) return;  // it was excused
    --over_half_;
    if (paced() && waiting_) call();
  }
  // Nobody who is over half now counts any more.
  void excuse_slow() {
    over_half_ = 0;
    ++round_;
  }
  void stop() { waiting_ = nullptr; }

 private:
  // Not from inside a send: what it does next is to deliver the next piece.
  void call() {
    if (waiting_) boost::asio::post(context_, std::exchange(waiting_, nullptr));
  }

  boost::asio::io_context& context_;
  std::size_t over_half_ = 0;
  std::uint64_t round_ = 0;
  std::function<void()> waiting_{};
};

}  // namespace pgtide
