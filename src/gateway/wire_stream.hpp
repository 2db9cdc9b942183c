#pragma once
// The asynchronous operations of Wire: templates, as Beast calls them. Included by wire.hpp.
#include <boost/asio/buffer.hpp>

#include "gateway/wire.hpp"

namespace pgtide {

template <class Then>
struct Wire::PendingWriteOf final : Wire::PendingWrite {
  PendingWriteOf(Executor executor, Then done)
      : work(boost::asio::make_work_guard(executor)), then(std::move(done)) {}

  // Posted: the write may be complete before its initiating function has returned.
  void complete(ErrorCode error, std::size_t bytes) override {
    boost::asio::post(work.get_executor(),
                      [held = std::move(then), error, bytes]() mutable { held(error, bytes); });
  }

  boost::asio::executor_work_guard<Executor> work;
  Then then;
};

template <class Buffers>
struct Wire::ReadOperation {
  enum class Step { start, gated, reading };

  Wire& wire;
  Buffers buffers;
  Step step = Step::start;

  template <class Self>
  void operator()(Self& self, ErrorCode error = {}, std::size_t bytes = 0) {
    if (step == Step::reading) {
      if (!error) count(bytes);
      self.complete(error, bytes);
      return;
    }
    auto& held = wire;  // `self` holds this very object, and is moved away below
    if (!held.open_) return finish(self, boost::asio::error::operation_aborted, 0);
    if (!held.leftover_.empty()) return finish(self, {}, take_leftover());
    if (held.gate_shut()) {
      step = Step::gated;
      held.gate_.async_wait(std::move(self));
      return;
    }
    step = Step::reading;
    auto where = buffers;
    held.socket_.async_read_some(where, std::move(self));
  }

 private:
  // A composed operation may complete inside a continuation only, not where it was started.
  template <class Self>
  void finish(Self& self, ErrorCode error, std::size_t bytes) {
    if (step == Step::gated) return self.complete(error, bytes);
    auto executor = wire.get_executor();
    boost::asio::post(executor, [held = std::move(self), error, bytes]() mutable {
      held.complete(error, bytes);
    });
  }

  std::size_t take_leftover() {
    const auto bytes = boost::asio::buffer_copy(buffers, boost::asio::buffer(wire.leftover_));
    count(bytes);
    wire.leftover_.erase(0, bytes);
    if (wire.leftover_.empty()) {
      wire.leftover_.shrink_to_fit();
      wire.leftover_charge_.set(0);
    }
    return bytes;
  }

  void count(std::size_t bytes) {
    for (auto at = boost::asio::buffer_sequence_begin(buffers);
         at != boost::asio::buffer_sequence_end(buffers) && bytes > 0; ++at) {
      const boost::asio::mutable_buffer part = *at;
      const auto here = std::min(part.size(), bytes);
      wire.received(static_cast<const char*>(part.data()), here);
      bytes -= here;
    }
  }
};

template <class Buffers, class Token>
auto Wire::async_read_some(const Buffers& buffers, Token&& token) {
  return boost::asio::async_compose<Token, void(ErrorCode, std::size_t)>(
      ReadOperation<Buffers>{*this, buffers}, token, socket_);
}

template <class Buffers, class Token>
auto Wire::async_write_some(const Buffers& buffers, Token&& token) {
  std::string bytes(boost::asio::buffer_size(buffers), '\0');
  boost::asio::buffer_copy(boost::asio::buffer(bytes), buffers);
  return boost::asio::async_initiate<Token, void(ErrorCode, std::size_t)>(
      [this](auto then, std::string text) {
        using Pending = PendingWriteOf<std::decay_t<decltype(then)>>;
        begin_write(std::make_unique<Pending>(get_executor(), std::move(then)), std::move(text));
      },
      token, std::move(bytes));
}

}  // namespace pgtide
