#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <utility>

#include "gateway/gateway.hpp"

namespace pgtide {

// The shard's counters, and how many of its connections have more than half their backlog
// waiting: that paces a burst (ARCHITECTURE, "Write in bulk"). Owned by its shard's thread.
class Traffic {
 public:
  explicit Traffic(boost::asio::io_context& context) : context_(context) {}

  GatewayCounters counters{};

  bool paced() const { return over_half_ == 0; }
  void when_paced(std::function<void()> then) {
    waiting_ = std::move(then);
    if (paced()) call();
  }
  void half_crossed(bool upwards) {
    over_half_ += upwards ? 1 : std::size_t(-1);
    if (paced() && waiting_) call();
  }
  void stop() { waiting_ = nullptr; }

 private:
  // Not from inside a send: what it does next is to deliver the next piece.
  void call() {
    if (waiting_) boost::asio::post(context_, std::exchange(waiting_, nullptr));
  }

  boost::asio::io_context& context_;
  std::size_t over_half_ = 0;
  std::function<void()> waiting_{};
};

}  // namespace pgtide
