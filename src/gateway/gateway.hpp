#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/broker.hpp"
#include "broker/memory_account.hpp"
#include "gateway/entrance.hpp"
#include "gateway/gatekeeper.hpp"
#include "gateway/operator.hpp"
#include "gateway/trusted_proxies.hpp"

namespace boost::asio {
class io_context;
}

namespace pgtide {

struct GatewayOptions {
  std::string path = "/realtime/subscribe";
  std::vector<std::string> allowed_origins{};
  bool loopback_listener = true;  // `Host` must then be a loopback name or an allowed origin
  bool loopback_operators = true;  // the same of the operators' own listener
  bool loopback_admin = true;      // who comes from loopback, and not through a proxy, has rights
  TrustedProxies trusted_proxies{};
  std::size_t message_bytes = 65'536;
  std::size_t backlog_bytes = 8'388'608;
  std::size_t reply_bytes = 65'536;  // unsent replies past it stop the reading
  double frames_per_second = 50;
  double http_requests_per_second = 20;  // of one connection, of who is no administrator
  std::chrono::milliseconds handshake_timeout{10'000};
  std::chrono::milliseconds http_life{300'000};  // of an HTTP connection; then it is closed
  std::size_t http_requests = 1'000;             // on one HTTP connection, the same
  std::chrono::milliseconds heartbeat_interval{30'000};
  std::chrono::milliseconds heartbeat_timeout{10'000};
  std::shared_ptr<const Gatekeeper> gatekeeper{};  // null: no credential is known
  bool auth_required = false;  // the anonymous have handshake_timeout to send `auth`
  bool query_token = false;    // ?token= is looked at
  std::chrono::milliseconds leeway{30'000};  // from a token's end to the connection's
  // Have events come that wait for their turn? They go before what clients ask. Empty: never.
  std::function<bool()> events_wait{};
  MemoryAccount* memory = nullptr;  // outlives every connection; null: none is kept
};

struct GatewayCounters {
  std::uint64_t connections_opened = 0;
  std::uint64_t connections_closed = 0;
  std::uint64_t handshakes_refused = 0;
  std::uint64_t requests_expired = 0;  // not whole within handshake_timeout
  std::map<unsigned, std::uint64_t> http_refusals{};  // answers of 400 and more, by status
  std::uint64_t heartbeats_lost = 0;
  std::uint64_t tokens_refused = 0;  // told by `error` after the upgrade
  std::uint64_t tokens_expired = 0;
  std::map<CloseCode, std::uint64_t> closes{};  // that this side began
  std::uint64_t fell_behind = 0;
  std::uint64_t events_dropped = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t sends = 0;          // system calls
  std::uint64_t backlog_bytes = 0;  // a gauge: waiting now, over all connections
};

// The youngest connection of an address that may be ended for a newcomer's sake.
struct Leaver {
  std::string id{};
  std::string remote_address{};
  std::chrono::system_clock::time_point connected_at{};
};

// One shard's connections: their handshakes, HTTP, reading, writing and heartbeat. Everything
// but adopt() is called on the shard's thread, the one that runs `context`.
class Gateway {
 public:
  Gateway(boost::asio::io_context& context, Broker& broker, Operator& op, GatewayOptions options);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // Takes over an accepted TCP socket. From any thread.
  void adopt(int native_socket, Arrival arrival = {});

  // Ends the HTTP connections that have waited longest for a request, at most so many.
  void end_resting(std::size_t count_max);

  // Sends now what the socket takes; the rest waits in the connection's outbox. Returns the bytes
  // of events that wait there now; nothing for a connection that is behind, or closing.
  std::optional<std::size_t> send(const Delivery& delivery);
  void send_reply(ConnectionNumber connection, std::string frames);
  void close(ConnectionNumber connection, CloseCode code, std::string_view reason);

  // Lets those backlogs fall behind that are among the largest of all shards, until the account of
  // memory is eased: the largest by what goes with it, so that those that wait for the same run as
  // many others are among the last. False where that was not enough: then the operator was asked to
  // tell the other shards. Before, and while much waits, the backlogs are to be weighed, so that
  // other shards know of them; it does nothing where little has changed.
  bool drop_backlogs();
  void weigh_backlogs();
  // Another shard has asked for it: the largest backlogs fall behind, and those that read least are
  // cut off, where the account is over.
  void relieve_memory();
  // How many guests there are, and sockets on their way. From any thread.
  std::size_t load() const;

  // Those meant, ordered as the query wants; `next` where its bytes did not take all. And their
  // end, by an administrator: how many were still open.
  ConnectionPage list(const ConnectionQuery& query) const;
  std::size_t kick(const ConnectionQuery& query);
  // Of those of this address (by BrokerOptions::address_key) neither administrators nor loopback
  // with rights. And its end, with 1013: false where it is closing already.
  std::optional<Leaver> find_leaver(const std::string& address_key) const;
  bool end_leaver(const std::string& id);
  // Keys have changed: those whose credential is not accepted any more are told and closed (4401).
  void close_ended_credentials();

  // The call, once, from the loop, when no more than `bytes` of events wait over all connections:
  // at once where that is so. It takes the place of an earlier one.
  void when_drained_to(std::size_t bytes, std::function<void()> then);

  // Refuses new connections and HTTP, sends what is queued, closes each with 1001 and calls `done`
  // when none is left; after `limit` the rest is cut.
  void drain(std::chrono::milliseconds limit, std::function<void()> done);

  const GatewayCounters& counters() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace pgtide
