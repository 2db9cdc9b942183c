#include "bridge/shard.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <thread>
#include <utility>

#include "bridge/piece_gate.hpp"

// A shard's queue holds what came from the source and waits for its turn, in stream order. One
// piece is taken per turn of the loop, so that reads, replies and heartbeats get theirs between the
// pieces of a large batch. The next is taken when no connection has more than half its backlog
// waiting, or after `pace_limit`: healthy readers set the pace of a burst, and a stuck one delays
// it by a bounded time (until it has fallen behind and counts no more).
namespace pgtide {
namespace asio = boost::asio;

namespace {

constexpr std::chrono::milliseconds pace_limit{100};  // ARCHITECTURE, "Write in bulk"

// Until begin_at() brings the real one.
std::shared_ptr<const Policy> denying_policy() {
  return Policy::bind(std::make_shared<Rules>(), std::make_shared<Catalog>(), nullptr);
}

}  // namespace

struct Shard::State {
  struct Turn {
    std::shared_ptr<const Batch> piece{};  // or
    std::function<void()> act{};
  };

  State(Operator& op, ShardOptions options)
      : reports_unlisted(options.reports_unlisted),
        broker(options.broker, denying_policy(), Cursor{}),
        gateway(context, broker, op, std::move(options.gateway)),
        pace_timer(context),
        work(asio::make_work_guard(context)),
        thread([this] { context.run(); }) {}

  void enqueue(Turn turn) {
    queue.push_back(std::move(turn));
    if (!waiting) take_turns();
  }

  // Takes what needs no pacing at once, and at most one piece.
  void take_turns() {
    while (!queue.empty()) {
      Turn turn = std::move(queue.front());
      queue.pop_front();
      if (turn.act) {
        turn.act();
        continue;
      }
      take_piece(*turn.piece);
      return wait_for_pace();
    }
    if (on_empty) std::exchange(on_empty, nullptr)();
  }

  void take_piece(const Batch& piece) {
    gate.leave(piece.bytes());
    for (const Delivery& delivery : broker.deliver(piece)) gateway.send(delivery);
    if (!reports_unlisted) return;
    for (const std::string& name : broker.take_unlisted()) {
      spdlog::warn(
          "custom event of '{}': no rule lists it, so only subscribers of * get it; "
          "list it in the rules file",
          name);
    }
  }

  void wait_for_pace() {
    waiting = true;
    if (gateway.paced()) {
      if (queue.empty()) {
        waiting = false;
        if (on_empty) std::exchange(on_empty, nullptr)();
        return;
      }
      return asio::post(context, [this] { go_on(); });
    }
    const std::size_t turn = ++paced_turn;
    const auto resume = [this, turn] {
      if (turn == paced_turn) go_on();
    };
    gateway.when_paced(resume);
    pace_timer.expires_after(pace_limit);
    pace_timer.async_wait([resume](boost::system::error_code error) {
      if (!error) resume();
    });
  }

  void go_on() {
    ++paced_turn;
    pace_timer.cancel();
    waiting = false;
    take_turns();
  }

  void send_notices(const std::vector<Broker::Notice>& notices) {
    for (const Broker::Notice& notice : notices) {
      gateway.send_reply(notice.connection, notice.frames);
    }
  }

  const bool reports_unlisted;
  asio::io_context context{1};
  Broker broker;
  Gateway gateway;
  PieceGate gate;
  std::deque<Turn> queue;
  bool waiting = false;         // between a piece and the next turn
  std::size_t paced_turn = 0;   // names the wait that is under way
  asio::steady_timer pace_timer;
  std::function<void()> on_empty;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  std::thread thread;
};

Shard::Shard(Operator& op, ShardOptions options)
    : state_(std::make_unique<State>(op, std::move(options))) {}

Shard::~Shard() {
  shut_gate();
  state_->work.reset();
  state_->context.stop();
  state_->thread.join();
}

asio::io_context& Shard::context() { return state_->context; }

void Shard::shut_gate() { state_->gate.shut(); }

void Shard::adopt(int native_socket) { state_->gateway.adopt(native_socket); }

void Shard::collect(std::function<void(ShardFigures)> done) {
  asio::post(state_->context, [state = state_.get(), done = std::move(done)] {
    done({state->broker.counters(), state->gateway.counters(), state->broker.connection_count(),
          state->broker.subscription_count()});
  });
}

void Shard::list(std::function<void(std::vector<ConnectionRecord>)> done) {
  asio::post(state_->context, [state = state_.get(), done = std::move(done)] {
    done(state->broker.connections());
  });
}

void Shard::close_connection(std::string id) {
  asio::post(state_->context, [state = state_.get(), id = std::move(id)] {
    const auto number = state->broker.find(id);
    if (number) state->gateway.close(*number, CloseCode::kicked, "closed by an administrator");
  });
}

void Shard::drain(std::chrono::milliseconds limit, std::function<void()> done) {
  asio::post(state_->context, [state = state_.get(), limit, done = std::move(done)] {
    const auto drain_gateway = [state, limit, done] { state->gateway.drain(limit, done); };
    if (state->queue.empty() && !state->waiting) return drain_gateway();
    state->on_empty = drain_gateway;
  });
}

void Shard::begin_at(Cursor position, std::shared_ptr<const Policy> policy,
                     std::optional<ResyncReason> why) {
  State* state = state_.get();
  const auto act = [state, position, policy = std::move(policy), why] {
    state->send_notices(state->broker.replace_policy(policy));
    state->send_notices(
        state->broker.lose_position(why.value_or(ResyncReason::log_lost), position));
  };
  asio::post(state->context, [state, act] { state->enqueue({nullptr, act}); });
}

void Shard::replace_policy(std::shared_ptr<const Policy> policy) {
  State* state = state_.get();
  const auto act = [state, policy = std::move(policy)] {
    state->send_notices(state->broker.replace_policy(policy));
  };
  asio::post(state->context, [state, act] { state->enqueue({nullptr, act}); });
}

void Shard::deliver(std::shared_ptr<const Batch> piece) {
  if (!state_->gate.enter(piece->bytes())) return;
  asio::post(state_->context, [state = state_.get(), piece = std::move(piece)] {
    state->enqueue({piece, nullptr});
  });
}

}  // namespace pgtide
