#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <utility>

#include "gateway/gateway.hpp"

namespace pgtide {

// The shard's counters, and the one who waits until less is queued in it. Owned by its shard's
// thread.
class Traffic {
 public:
  explicit Traffic(boost::asio::io_context& context) : context_(context) {}

  GatewayCounters counters{};

  void when_drained_to(std::size_t bytes, std::function<void()> then) {
    drained_to_ = bytes;
    then_ = std::move(then);
    call_when_drained();
  }
  // A connection's share of counters.backlog_bytes.
  void change_backlog(std::size_t from, std::size_t to) {
    counters.backlog_bytes += to - from;
    if (to < from) call_when_drained();
  }
  void stop() { then_ = nullptr; }

 private:
  // Not from inside a send: what it does next is to deliver the next piece.
  void call_when_drained() {
    if (!then_ || counters.backlog_bytes > drained_to_) return;
    boost::asio::post(context_, std::exchange(then_, nullptr));
  }

  boost::asio::io_context& context_;
  std::size_t drained_to_ = 0;
  std::function<void()> then_{};
};

}  // namespace pgtide
