#include "bridge/shard.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdlib>
#include <deque>
#include <thread>
#include <utility>
#include <variant>

#include "auth/sealed_cursors.hpp"
#include "bridge/delivery_timer.hpp"
#include "bridge/piece_gate.hpp"

// A shard's queue holds what came from the source and waits for its turn, in stream order. One
// piece is taken per turn of the loop, so that reads, replies and heartbeats get theirs between the
// pieces of a large batch; of one that very many see differently, between its stretches
// (Broker::deliver). Within a burst the next one waits while those who get it have, on the whole,
// more than half their backlogs waiting, so that who reads without pause gets all of it; how much
// waiting there is at the most, whoever is slow, broker/pace.hpp says.
namespace pgtide {
namespace asio = boost::asio;

namespace {

// A burst is slowed down to this and no further: what 100 readers on two cores take three times as
// fast each (bench/burst, 2026-11-30). More slowly than this nobody is waited for.
constexpr double paced_bytes_per_second = 4'194'304;
constexpr std::size_t receivers_per_look = 64;  // at the account of memory, during a delivery

// Until begin_at() brings the real one.
std::shared_ptr<const Policy> denying_policy() {
  return Policy::bind(std::make_shared<Rules>(), std::make_shared<Catalog>(), nullptr);
}

BrokerOptions with_sealer(BrokerOptions options, std::shared_ptr<CursorSealer> sealer) {
  options.sealer = std::move(sealer);
  return options;
}

// Nothing is expected to get here but the end of memory; then the program ends, and says so.
void run_loop(asio::io_context& context) {
  try {
    context.run();
  } catch (const std::exception& error) {
    spdlog::critical("a shard cannot go on: {}", error.what());
    std::abort();
  }
}

}  // namespace

struct Shard::State {
  // What is left of a piece: its events from this place on.
  struct Piece {
    std::shared_ptr<const Batch> batch;
    std::size_t next = 0;
  };
  using Turn = std::variant<Piece, std::function<void()>>;

  State(Operator& op, ShardOptions options)
      : number(options.number),
        memory(options.gateway.memory),
        broker(with_sealer(std::move(options.broker), cursors), denying_policy(), Cursor{}),
        half_backlog(options.gateway.backlog_bytes / 2),
        gateway(context, broker, op, behind_events(std::move(options.gateway))),
        pacer(std::move(options.pacer)),
        burst(half_backlog, paced_bytes_per_second),
        pace_timer(context),
        work(asio::make_work_guard(context)),
        thread([this] { run_loop(context); }) {}

  // A crowd's requests stand in the loop's queue before a piece, or a stretch, that comes later.
  GatewayOptions behind_events(GatewayOptions gateway_options) {
    gateway_options.events_wait = [this] { return !queue.empty() || gate.holds_any(); };
    return gateway_options;
  }

  template <class What>
  void enqueue(What what) {
    queue.emplace_back(std::in_place_type<What>, std::move(what));
    if (!waiting) take_turns();
  }

  // Takes what needs no pacing at once, and at most one piece.
  void take_turns() {
    while (!queue.empty()) {
      if (take_turn()) return rest();
    }
  }

  // True when it was a piece, or a stretch of one.
  bool take_turn() {
    Turn turn = std::move(queue.front());
    queue.pop_front();
    auto* piece = std::get_if<Piece>(&turn);
    if (piece == nullptr) {
      std::get<std::function<void()>>(turn)();
      return false;
    }
    if (piece->next == 0) gate.leave(piece->batch->bytes());
    take_stretch(*piece);
    if (piece->next < piece->batch->events.size()) queue.push_front(std::move(turn));
    return true;
  }

  void take_stretch(Piece& piece) {
    const Batch& batch = *piece.batch;
    std::size_t receivers = 0;
    Readership readers;
    const std::size_t from = piece.next;
    const Broker::Send send = [&](const Delivery& delivery) {
      readers.add(delivery.run->frames.size(), gateway.send(delivery));
      if (++receivers % receivers_per_look == 0) look_at_memory();
    };
    drop_again_at = 0;
    piece.next = broker.deliver(batch, from, send);
    send_notices(broker.take_ended());
    look_at_memory();
    gateway.weigh_backlogs();
    burst.add(readers.bytes_max(), std::chrono::steady_clock::now());
    surplus_bytes = readers.surplus(half_backlog);
    follow(batch, piece.next - from, receivers);
    if (piece.next > from) times.note(broker.last_times());
    if (receivers > 0) times.note_latency(batch.events[piece.next - 1]);
    if (number != 0) return;  // all shards see every event; the first one logs
    for (const std::string& name : broker.take_unlisted()) {
      spdlog::warn(
          "custom event of '{}': no rule lists it, so only subscribers of * get it; "
          "list it in the rules file",
          name);
    }
  }

  // What waits is dropped as soon as memory runs short; where that is no mend, again when a
  // sixteenth of the limit has come to it, or in the next stretch.
  void look_at_memory() {
    if (memory == nullptr || !memory->over() || memory->used() < drop_again_at) return;
    const bool eased = gateway.drop_backlogs();
    drop_again_at = eased ? 0 : memory->used() + memory->bytes_max() / 16;
  }

  // At debug level: between what the source has read and what a connection is given.
  void follow(const Batch& piece, std::size_t changes, std::size_t connections) const {
    if (!spdlog::should_log(spdlog::level::debug)) return;
    const auto us = [](std::chrono::nanoseconds time) { return time.count() / 1'000; };
    spdlog::debug("tick {}: shard {} has {} changes for {} connections; {} us to match, {} us to "
                  "write frames",
                  piece.tick, number, changes, connections,
                  us(broker.last_times().match), us(broker.last_times().encode));
  }

  // Between a piece and the next turn.
  void rest() {
    waiting = true;
    const std::size_t wait = ++wait_number;
    const auto end = [this, wait] {
      if (wait == wait_number) go_on();
    };
    const auto limit = surplus_bytes == 0 ? Pacer::Clock::duration::zero()
                                          : pacer->begin(burst.excess());
    if (limit == Pacer::Clock::duration::zero()) return asio::post(context, end);
    pacing = true;
    const std::size_t queued = gateway.counters().backlog_bytes;
    gateway.when_drained_to(queued - std::min(queued, surplus_bytes), end);
    pace_timer.expires_after(limit);
    pace_timer.async_wait([end](boost::system::error_code error) {
      if (!error) end();
    });
  }

  void go_on() {
    ++wait_number;
    if (std::exchange(pacing, false)) {
      pacer->end();
      pace_timer.cancel();
    }
    waiting = false;
    take_turns();
  }

  // What is still in the queue is sent without pacing.
  void drain(std::chrono::steady_clock::time_point until, std::function<void()> done) {
    while (!queue.empty()) take_turn();
    const auto left = until - std::chrono::steady_clock::now();
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(left);
    gateway.drain(std::max(limit, std::chrono::milliseconds(0)), std::move(done));
  }

  void send_notices(const std::vector<Broker::Notice>& notices) {
    for (const Broker::Notice& notice : notices) {
      gateway.send_reply(notice.connection, notice.frames);
    }
  }

  const unsigned number;
  MemoryAccount* const memory;
  const std::shared_ptr<SealedCursors> cursors = std::make_shared<SealedCursors>();
  asio::io_context context{1};
  Broker broker;
  const std::size_t half_backlog;
  Gateway gateway;
  const std::shared_ptr<Pacer> pacer;
  Burst burst;
  std::size_t surplus_bytes = 0;  // after the last piece, over half a backlog for each who got it
  PieceGate gate;
  DeliveryTimer times;
  std::deque<Turn> queue;
  std::size_t drop_again_at = 0;  // bytes in the account; 0: whenever it is over
  std::atomic<bool> relieving = false;  // relieve_memory() is posted
  bool waiting = false;         // between a piece and the next turn
  bool pacing = false;          // and the pacer counts it
  std::size_t wait_number = 0;  // names the wait that is under way
  asio::steady_timer pace_timer;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  std::thread thread;
};

Shard::Shard(Operator& op, ShardOptions options)
    : state_(std::make_unique<State>(op, std::move(options))) {}

Shard::~Shard() { halt(); }

void Shard::halt() {
  if (!state_->thread.joinable()) return;
  shut_gate();
  state_->work.reset();
  state_->context.stop();
  state_->thread.join();
}

asio::io_context& Shard::context() { return state_->context; }

void Shard::shut_gate() { state_->gate.shut(); }

void Shard::adopt(int native_socket, Arrival arrival) {
  state_->gateway.adopt(native_socket, std::move(arrival));
}

void Shard::end_resting(std::size_t count_max) {
  asio::post(state_->context,
             [state = state_.get(), count_max] { state->gateway.end_resting(count_max); });
}

void Shard::relieve_memory() {
  if (state_->relieving.exchange(true)) return;
  asio::post(state_->context, [state = state_.get()] {
    state->relieving = false;
    state->gateway.relieve_memory();
  });
}

std::size_t Shard::load() const { return state_->gateway.load(); }

void Shard::collect(std::function<void(ShardFigures)> done) {
  asio::post(state_->context, [state = state_.get(), done = std::move(done)] {
    ShardFigures figures{.broker = state->broker.counters(),
                         .gateway = state->gateway.counters(),
                         .times = state->times.read(),
                         .connections = state->broker.connection_count(),
                         .subscriptions = state->broker.subscription_count()};
    if (state->number == 0) figures.events_by_collection = state->broker.events_by_collection();
    done(std::move(figures));
  });
}

void Shard::list(ConnectionQuery query, std::function<void(ConnectionPage)> done) {
  asio::post(state_->context,
             [state = state_.get(), query = std::move(query), done = std::move(done)] {
               done(state->gateway.list(query));
             });
}

void Shard::kick(ConnectionQuery query, std::function<void(std::size_t)> done) {
  asio::post(state_->context,
             [state = state_.get(), query = std::move(query), done = std::move(done)] {
               done(state->gateway.kick(query));
             });
}

void Shard::find_leaver(std::string address_key,
                        std::function<void(std::optional<Leaver>)> done) {
  asio::post(state_->context,
             [state = state_.get(), key = std::move(address_key), done = std::move(done)] {
               done(state->gateway.find_leaver(key));
             });
}

void Shard::end_leaver(std::string id, std::function<void(bool)> done) {
  asio::post(state_->context, [state = state_.get(), id = std::move(id), done = std::move(done)] {
    done(state->gateway.end_leaver(id));
  });
}

void Shard::close_ended_credentials() {
  asio::post(state_->context, [state = state_.get()] { state->gateway.close_ended_credentials(); });
}

void Shard::drain(std::chrono::steady_clock::time_point until, std::function<void()> done) {
  asio::post(state_->context, [state = state_.get(), until, done = std::move(done)] {
    state->drain(until, done);
  });
}

void Shard::use_cursor_key(CursorKey key) {
  State* state = state_.get();
  const auto act = [state, key] { state->cursors->use_key(key); };
  asio::post(state->context, [state, act] { state->enqueue(std::function<void()>(act)); });
}

void Shard::begin_at(Cursor position, std::shared_ptr<const Policy> policy,
                     std::optional<ResyncReason> why) {
  State* state = state_.get();
  const auto act = [state, position, policy = std::move(policy), why] {
    state->send_notices(state->broker.replace_policy(policy));
    state->send_notices(
        state->broker.lose_position(why.value_or(ResyncReason::log_lost), position));
  };
  asio::post(state->context, [state, act] { state->enqueue(std::function<void()>(act)); });
}

void Shard::replace_policy(std::shared_ptr<const Policy> policy) {
  State* state = state_.get();
  const auto act = [state, policy = std::move(policy)] {
    state->send_notices(state->broker.replace_policy(policy));
  };
  asio::post(state->context, [state, act] { state->enqueue(std::function<void()>(act)); });
}

void Shard::deliver(std::shared_ptr<const Batch> piece) {
  if (!state_->gate.enter(piece->bytes())) return;
  asio::post(state_->context, [state = state_.get(), piece = std::move(piece)] {
    state->enqueue(State::Piece{piece});
  });
}

}  // namespace pgtide
