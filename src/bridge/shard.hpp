#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bridge/delivery_timer.hpp"
#include "bridge/pacer.hpp"
#include "broker/broker.hpp"
#include "gateway/gateway.hpp"
#include "model/batch.hpp"
#include "rules/policy.hpp"

namespace pgtide {

struct ShardOptions {
  BrokerOptions broker{};
  GatewayOptions gateway{};
  unsigned number = 0;  // among its bridge's shards
  std::shared_ptr<Pacer> pacer = std::make_shared<Pacer>();  // of all of them
};

// What a shard counts, and what it holds now.
struct ShardFigures {
  BrokerCounters broker{};
  GatewayCounters gateway{};
  TextMap<std::uint64_t> events_by_collection{};  // of the first shard: all see every event
  ShardTimes times{};
  std::size_t connections = 0;
  std::size_t subscriptions = 0;
};

// One thread with an io_context, a Broker and its connections. Shards share nothing: what reaches
// one is posted to it, and is immutable.
class Shard {
 public:
  Shard(Operator& op, ShardOptions options);
  ~Shard();  // halts
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // From any thread.
  void adopt(int native_socket, Arrival arrival);
  // Ends the HTTP connections that have waited longest for a request, at most so many.
  void end_resting(std::size_t count_max);
  // Looks for memory that its clients can give back (Gateway::relieve_memory); posted once.
  void relieve_memory();
  // Clients of any kind, with those on their way.
  std::size_t load() const;
  void collect(std::function<void(ShardFigures)> done);
  void list(ConnectionQuery query, std::function<void(ConnectionPage)> done);
  void kick(ConnectionQuery query, std::function<void(std::size_t)> done);
  // As Gateway::find_leaver and end_leaver; `done` on the shard's thread.
  void find_leaver(std::string address_key, std::function<void(std::optional<Leaver>)> done);
  void end_leaver(std::string id, std::function<void(bool)> done);
  // Keys have changed: ends the connections whose credential is worth nothing any more.
  void close_ended_credentials();
  // Sends what waits, ends every connection with 1001, all of it before `until`; `done` on the
  // shard's thread.
  void drain(std::chrono::steady_clock::time_point until, std::function<void()> done);
  // Ends the thread: nothing runs here any more. Shards that may still answer each other are all
  // halted before the first is destroyed.
  void halt();

  // From the source's thread, in stream order. deliver() waits while the shard is behind.
  void use_cursor_key(CursorKey key);
  void begin_at(Cursor position, std::shared_ptr<const Policy> policy,
                std::optional<ResyncReason> why);
  void replace_policy(std::shared_ptr<const Policy> policy);
  void deliver(std::shared_ptr<const Batch> piece);
  // From any thread: deliver() never waits again.
  void shut_gate();

  boost::asio::io_context& context();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pgtide
