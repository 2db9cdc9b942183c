#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/broker_limits.hpp"
#include "broker/connection_record.hpp"
#include "broker/run.hpp"
#include "model/batch.hpp"
#include "model/cursor_sealer.hpp"
#include "model/identity.hpp"
#include "model/text_map.hpp"
#include "model/wire_code.hpp"
#include "pgtide/result.hpp"
#include "rules/policy.hpp"

namespace pgtide {

// One WebSocket, by the broker's number for it. Numbers are small, dense and reused after close().
using ConnectionNumber = std::uint32_t;
// An address that connections come from (origins.hpp).
using OriginNumber = std::uint32_t;

struct BrokerOptions {
  BrokerLimits limits{};
  std::chrono::milliseconds heartbeat_interval{30'000};
  // Whose the token of an `auth` message is that came from this address; on the shard's thread.
  // ErrorKind::unavailable: it was not looked at, come again. Empty: no token is known.
  std::function<Result<Identity>(std::string_view token, std::string_view remote_address)>
      verify_token{};
  // What of a connection's remote_address limits by address count it by; empty: all of it.
  std::function<std::string(std::string_view remote_address)> address_key{};
  bool auth_required = false;  // the anonymous may only send `auth`, and are sent no event
  // What deliver() is timed by; empty: it is not.
  std::function<std::chrono::steady_clock::time_point()> clock{};
  MemoryAccount* memory = nullptr;  // of frames and subscriptions; outlives them. Null: none
  std::shared_ptr<CursorSealer> sealer{};  // of this broker alone; null: cursors hide nothing
};

// What the server says in answer to a message or a piece of one: whole text frames, and perhaps
// the end.
struct Reply {
  std::string frames{};
  std::optional<CloseCode> close{};
  bool authenticated = false;  // the connection's user and expires_at are new
  bool unfinished = false;     // more of the message is to be answered: Broker::go_on()
};

// A run of frames for one connection.
struct Delivery {
  ConnectionNumber connection = 0;
  SharedRun run{};
};

// A pattern that a connection holds.
struct HeldPattern {
  std::string pattern{};
  std::string filter{};  // empty: none
};

// Which connections an administrator means: those that all of these fit.
struct ConnectionQuery {
  std::optional<std::string> id{};
  std::optional<std::string> user{};  // Principal::id; the anonymous have none
  std::string after{};                // an id: only those that stand after it
  bool slowest_first = false;         // by their backlog, which the caller of select() knows
  std::size_t limit = std::numeric_limits<std::size_t>::max();
  std::size_t bytes_max = std::numeric_limits<std::size_t>::max();  // of a page, about

  friend bool operator==(const ConnectionQuery&, const ConnectionQuery&) = default;
};

struct BrokerCounters {
  std::uint64_t events_in = 0;
  std::uint64_t deliveries = 0;        // event x connection
  std::uint64_t events_truncated = 0;  // past limits.event_bytes
  std::uint64_t events_unlisted = 0;   // custom events of a name that the rules do not list
  std::uint64_t requests_refused = 0;
  std::uint64_t filters_ended = 0;  // that took more steps than they may
  std::uint64_t filter_steps = 0;
  std::uint64_t rules_decided = 0;  // for somebody who subscribes, or whose subscriptions are
  std::array<std::uint64_t, wire_codes> errors{};  // sent, by WireCode
};

// What a deliver() took: to find who sees what and write each event's text once, to put the texts
// together for each set of receivers, and in what it called with them.
struct DeliveryTimes {
  std::chrono::nanoseconds match{};
  std::chrono::nanoseconds encode{};
  std::chrono::nanoseconds send{};
};

// A shard's connections, their subscriptions, and what each of them gets: the heart of pgtide.
//
// (The design comment on classes, runs and the index tops broker.cpp.) Pure: no socket, no
// clock, no thread; owned by its shard's thread. `now` never goes back.
class Broker {
 public:
  using Clock = std::chrono::steady_clock;

  Broker(BrokerOptions options, std::shared_ptr<const Policy> policy, Cursor position);
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  // A new connection and its first frame, `connected`.
  struct Opened {
    ConnectionNumber number = 0;
    std::string frames{};
  };
  Opened open(ConnectionRecord record, Clock::time_point now);
  // Forgets the connection and its subscriptions.
  void close(ConnectionNumber number);

  // One text frame of a client, in valid UTF-8. What asks for much is answered in pieces: while
  // the reply says that it is unfinished, go_on() answers the next one. In between anything may be
  // done, events delivered and the connection closed, but no other message of it received.
  Reply receive(ConnectionNumber number, std::string_view text, Clock::time_point now);
  Reply go_on(ConnectionNumber number, Clock::time_point now);

  // What a stretch of a batch's events brings to whom: from place `from` on, one event at least and
  // as many as limits.stretch_bytes allows; returns the place after it. `send` is called once for
  // each connection that gets something, and must not call the broker. It keeps what it wants to:
  // a run goes when everyone has been given it and has let go of it, before the next is made. The
  // position moves to the stretch's end, so that anything may be done between two stretches.
  using Send = std::function<void(const Delivery&)>;
  std::size_t deliver(const Batch& batch, std::size_t from, const Send& send);
  // All of it.
  void deliver(const Batch& batch, const Send& send);
  const DeliveryTimes& last_times() const;

  // Frames to send to a connection.
  struct Notice {
    ConnectionNumber connection = 0;
    std::string frames{};
  };

  // Filters that took too much have ended, and their subscriptions: an `error` for each. To be
  // asked after each stretch.
  std::vector<Notice> take_ended();

  // Rules or catalog have changed: every subscription is decided anew. Returns, per connection
  // concerned, the frames to send (`error` for a pattern that is no longer allowed,
  // `resync_required` where columns changed).
  std::vector<Notice> replace_policy(std::shared_ptr<const Policy> policy);

  // Continuity with the database's log is lost for everyone (`log_lost`): the frame to send to each
  // connection that holds a subscription, and the new position.
  std::vector<Notice> lose_position(ResyncReason reason, Cursor position);

  // `position` for a connection that was sent nothing since the last heartbeat; empty when it has
  // not moved. (Called per connection by its heartbeat.)
  std::string position_frame(ConnectionNumber number);

  Cursor position() const;
  // What a client's cursor means; ErrorKind::invalid where it was not given out here.
  Result<Cursor> open_cursor(std::string_view text) const;
  std::size_t connection_count() const;
  std::size_t subscription_count() const;
  const ConnectionRecord& record(ConnectionNumber number) const;
  OriginNumber origin_of(ConnectionNumber number) const;
  std::optional<OriginNumber> find_origin(const std::string& address_key) const;
  // By its UUID; looks at every connection, for an administrator's rare wish.
  std::optional<ConnectionNumber> find(std::string_view id) const;
  // In the order of subscription.
  std::vector<HeldPattern> patterns(ConnectionNumber number) const;
  // The first of those meant, ordered by their ids. Looks at every connection and copies none.
  std::vector<ConnectionNumber> select(const ConnectionQuery& query) const;
  const BrokerCounters& counters() const;
  // Of watched and of listed collections, since the beginning.
  const TextMap<std::uint64_t>& events_by_collection() const;
  // Names of unlisted custom events that came up since the last call, each once: to be logged.
  std::vector<std::string> take_unlisted();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pgtide
