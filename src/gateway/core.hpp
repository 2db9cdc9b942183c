#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gateway/connection_log.hpp"
#include "gateway/deadlines.hpp"
#include "gateway/gateway.hpp"
#include "gateway/http_routes.hpp"
#include "gateway/message_room.hpp"
#include "gateway/relief.hpp"
#include "gateway/traffic.hpp"
#include "gateway/turns.hpp"
#include "gateway/wire.hpp"

namespace pgtide {

// Somebody on an accepted socket: a Visit (HTTP) or a Session (WebSocket).
class Guest : public Timed {
 public:
  // Ends with what is under way; a session within `until`.
  virtual void drain(SteadyTime until) = 0;
  // Ends now: the socket is closed, broker and operator are told.
  virtual void end() = 0;
};

// A WebSocket that the broker knows.
class Session : public Guest {
 public:
  // Returns what then waits, as Gateway::send() does.
  virtual std::optional<std::size_t> send_run(const SharedRun& run) = 0;
  virtual void send_reply(std::string frames) = 0;
  virtual bool is_live() const = 0;  // not closing
  virtual bool stays() const = 0;    // gives way to nobody: loopback with rights
  virtual std::uint64_t events_sent() const = 0;  // with those that wait
  virtual std::size_t backlog_bytes() const = 0;  // of events
  virtual Wire& wire() = 0;
  virtual bool has_unread() const = 0;  // bytes of the peer's that were not looked at yet
  // Says what is queued, then closes; the peer's consent and a slow reader are waited for, but
  // not long.
  virtual void close(CloseCode code, std::string_view reason) = 0;
  // Ends at once what holds memory that is short. `why` is logged.
  virtual void cut_off(std::string_view why) = 0;
};

// What the guests of one shard share. Outlives the Gateway as long as a guest's operation is
// pending; after stop() none of them touches broker or operator any more.
struct GatewayCore : std::enable_shared_from_this<GatewayCore> {
  GatewayCore(boost::asio::io_context& io, Broker& shard_broker, Operator& shard_operator,
              GatewayOptions with);

  void add(std::shared_ptr<Guest> guest);
  void remove(Guest& guest);
  // An HTTP connection waits for a request from now on; the ticket ends that.
  std::uint64_t rest(Guest& guest);
  void wake(std::uint64_t ticket);
  // Ends those that have waited longest, at most so many.
  void end_resting(std::size_t count_max);
  void seat(ConnectionNumber number, Session& session);
  void unseat(ConnectionNumber number);
  Session* find(ConnectionNumber number) const;  // null: gone
  std::vector<ConnectionNumber> seated() const;  // those that find() finds
  void drain(std::chrono::milliseconds limit, std::function<void()> done);
  void stop();
  // Calls it; in its turn where events or others wait. What a crowd asks at one time is done one
  // thing after the other, and events go before each: who only listens waits for one of them.
  // Things of one address (Broker::origin_of()) count as one: addresses take turns.
  void after_events(OriginNumber origin, std::function<void()> call);
  // The same, and never at once: the next piece of what is being done.
  void in_turn(OriginNumber origin, std::function<void()> call);
  // The same of HTTP, which has a queue of its own: the two are asked by turns, so that a crowd of
  // either holds up its own kind, and the other by one thing each time.
  void http_after_events(std::function<void()> call);

  boost::asio::io_context& context;
  Broker& broker;
  Operator& op;
  const GatewayOptions options;
  const RouteRules routes;
  Traffic traffic;
  ConnectionLog log;
  std::shared_ptr<Deadlines> deadlines;
  Relief relief;
  std::shared_ptr<MessageRoom> messages;
  std::atomic<std::size_t> load = 0;  // guests, and sockets on their way here
  bool draining = false;

 private:
  void end_all();
  void tell_drained();
  void ask(Turns& turns, OriginNumber origin, std::function<void()> call);
  void do_now(const std::function<void()>& call);
  void wait_in(Turns& turns, OriginNumber origin, std::function<void()> call);
  void answer_soon();
  void answer_next();

  Turns messages_asked_{};
  Turns http_asked_{};  // all of one origin
  bool http_was_last_ = false;
  bool answering_ = false;  // one of them is being done, or will be
  bool stopped_ = false;
  std::unordered_map<Guest*, std::shared_ptr<Guest>> guests_;
  std::map<std::uint64_t, Guest*> resting_;  // by ticket, and so by time
  std::uint64_t last_ticket_ = 0;
  std::vector<Session*> seats_;  // by the broker's number
  std::function<void()> drained_{};
  std::shared_ptr<Timed> drain_limit_{};
};

// Begins to read an HTTP request from an accepted socket.
void start_visit(const std::shared_ptr<GatewayCore>& core, Socket socket, Arrival arrival);

}  // namespace pgtide
