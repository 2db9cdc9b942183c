#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/broker.hpp"
#include "pgtide/result.hpp"

namespace pgtide {

// A POST to /realtime/broadcast or /realtime/broadcast_all, already checked in shape.
struct BroadcastRequest {
  std::optional<std::string> collection{};  // none: broadcast_all
  std::string json{};                       // the data
};
struct BroadcastDone {
  Result<void> result{};
  std::string warning{};  // "no rule lists 'x'...": committed all the same
};

// A connection as GET /realtime/connections shows it.
struct ListedConnection {
  ConnectionRecord record{};
  std::vector<HeldPattern> patterns{};
  std::uint64_t events_sent = 0;  // with those that wait
  std::size_t backlog_bytes = 0;  // events that wait for the reader
};
// About what it takes, in memory and as JSON.
std::size_t bytes_of(const ListedConnection& listed);

struct ConnectionPage {
  std::vector<ListedConnection> connections{};  // ordered by id
  std::optional<std::string> next{};            // what to go on after; none: that was all
};

// What the gateway's HTTP asks of the bridge. Called on a shard's thread; must not block.
class Operator {
 public:
  struct Readiness {
    bool ready = false;
    std::string json{};  // which part is not: for loopback only
  };
  virtual ~Operator() = default;
  virtual Readiness readiness() = 0;
  // Prometheus text format 0.0.4. `done` may be called from any thread.
  virtual void metrics(std::function<void(std::string)> done) = 0;
  virtual void broadcast(BroadcastRequest request, std::function<void(BroadcastDone)> done) = 0;
  // Over all shards. `done` may be called from any thread.
  virtual void list(ConnectionQuery query, std::function<void(ConnectionPage)> done) = 0;
  // Closes those meant with 4403; `done` gets how many that were.
  virtual void kick(ConnectionQuery query, std::function<void(std::size_t)> done) = 0;
  // The page at `/`: under `pgtide demo` only.
  virtual std::optional<std::string_view> page() = 0;
  // Takes one of the requests that an address may send, of those who are not administrators; false:
  // it has none left for the moment.
  virtual bool may_ask(std::string_view address) = 0;
  // May one more WebSocket be opened? Counts it when so. `address` is the client's, without a port.
  enum class Admission {
    admitted,
    too_many,
    too_many_from_address,
    too_often_from_address,
    short_of_memory,
    starting
  };
  virtual Admission admit(const std::string& address) = 0;
  virtual void release(const std::string& address) = 0;
  // Memory is short, and most of it is not held by the caller's clients: every shard is to look at
  // its own (Gateway::relieve_memory). Nothing where there is one shard only.
  virtual void ask_for_memory() {}
};

}  // namespace pgtide
