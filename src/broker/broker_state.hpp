#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/broker.hpp"
#include "broker/collection_counts.hpp"
#include "broker/fan_out.hpp"
#include "broker/filter_texts.hpp"
#include "broker/memory_shares.hpp"
#include "broker/origins.hpp"
#include "broker/standing.hpp"
#include "broker/subscription_index.hpp"
#include "broker/token_bucket.hpp"
#include "broker/unlisted_names.hpp"
#include "model/client_message.hpp"
#include "model/server_message.hpp"

// What broker.cpp, requests.cpp and policy_change.cpp share; nobody else includes this.
namespace pgtide {

// A pattern that a connection holds, with its options. What it takes beside the filter is in the
// account of memory by the pattern's size (Broker::State::charge()).
struct Subscription {
  Seat seat{};
  std::string pattern{};
  HeldFilterPointer filter{};  // null: none
  ActionSet events{};
};

// One open connection. Its address does not change while it is open.
struct Connection {
  ConnectionRecord record{};
  Tokens requests;
  Tokens work;  // what the items of its requests take
  std::uint32_t told = 0;      // `moves` of the position that it last was told as such
  std::uint32_t refusals = 0;  // for the rate, less what was answered since
  std::vector<std::unique_ptr<Subscription>> subscriptions{};  // in their order
  Seat everyone{};                                             // broadcast_all reaches it by this

  // May it do more than send `auth`?
  bool admitted(const BrokerOptions& options) const {
    return record.user.has_value() || !options.auth_required;
  }
  const Principal* user() const { return record.user ? &*record.user : nullptr; }
  // The subscription's place, or their number.
  std::size_t find(std::string_view pattern) const;
};

struct Broker::State {
  BrokerOptions options;
  std::shared_ptr<CursorSealer> sealer;
  std::shared_ptr<const Policy> policy;
  Cursor position;
  std::uint32_t moves = 1;  // of the position; begins anew some time
  SubscriptionIndex index;
  CollectionCounts collections{};
  Lenses lenses{};
  FilterTexts filters;  // outlives the connections below
  FanOut fan_out;
  Origins origins;
  MemoryShares shares{};
  std::vector<Notice> given_up{};  // to those whose subscriptions ended for those of others
  TokenRate request_rate, work_rate;  // of each connection
  Clock::time_point latest{};  // that anybody gave
  std::vector<std::unique_ptr<Connection>> connections{};  // by number; null: free
  std::vector<ConnectionNumber> free_numbers{};
  std::vector<std::uint8_t> heard{};  // by number: was sent events since its last heartbeat
  std::size_t connection_count = 0;
  std::size_t subscription_count = 0;
  UnlistedNames unlisted{};
  BrokerCounters counters{};
  struct Request;  // requests.cpp
  std::map<ConnectionNumber, std::shared_ptr<Request>> unfinished{};

  State(BrokerOptions options_, std::shared_ptr<const Policy> policy_, Cursor position_);
  ~State();

  Connection& at(ConnectionNumber number);
  std::string address_of(const ConnectionRecord& record) const {
    return options.address_key ? options.address_key(record.remote_address)
                               : record.remote_address;
  }
  OriginNumber origin_of(ConnectionNumber number) { return index.budget().origin_of(number); }
  // A subscription takes memory, or gives it back.
  void charge(const Subscription& subscription) const;
  void give_back(const Subscription& subscription) const;
  // Of an `error` that is sent: its text, and it is counted.
  std::string error_text(const ErrorReply& error);
  void remove_subscription(ConnectionNumber number, std::size_t at);
  MemoryShares::Holder holder_of(ConnectionNumber number) { return {number, origin_of(number)}; }
  // Until no more is held than `bytes`, or nobody has more than is fair to this one.
  void reclaim_memory(ConnectionNumber number, std::size_t bytes);

  // Of this connection's user, under the present policy.
  Standing standing_of(const Connection& connection) {
    return {*policy, connection.user(), lenses, counters.rules_decided};
  }
  // What makes the class of a pattern that somebody holds. `filter`: the tree of its filter; null:
  // it has none.
  ClassTraits traits_of(Standing& standing, const Pattern& pattern,
                        const Subscription& subscription, const Expression* filter);
  // Why a filter has no place there; empty: it has.
  static std::optional<ErrorReply> fault_of(Standing& standing, const Pattern& pattern,
                                            const Expression& filter);

  // requests.cpp
  struct Wanted;
  Reply answer_piece(Request& request);
  void decide_unfinished_anew();
  void answer(Request& request, const UnsubscribeMessage& message);
  void answer(Request& request, const AuthMessage& message);
  void dispatch(Request& request, ClientMessage& message);
  void subscribe(Request& request, const SubscribeItem& item);
  bool read_filter(Request& request, const Pattern& pattern, const SubscribeItem& item,
                   Wanted& wanted);
  bool has_room(Request& request, const SubscribeItem& item);
  bool has_memory(Request& request, const SubscribeItem& item);
  void hold(Request& request, const Pattern& pattern, const SubscribeItem& item,
            Wanted wanted);
  void refuse(Request& request, ErrorReply error);
  bool pay(Request& request);
  bool pay(Request& request, const SubscribeItem& item);
  // What dear work takes: of its connection, and of the address that it comes from.
  struct Price {
    double of_connection = 0;
    double of_origin = 0;
  };
  bool pay(Request& request, Price price, std::string_view pattern);
  void settle(Request& request);

  // policy_change.cpp
  struct Change;
  std::string decide_anew(ConnectionNumber number, Change& change);
  std::optional<ErrorReply> decide_anew(ConnectionNumber number, std::size_t place,
                                        Standing& standing, Change& change);
  std::string change_user(ConnectionNumber number, Identity identity);
};

// What of a subscription counts for its address's share of memory: an estimate.
std::size_t weight_of(const Subscription& subscription);

// When to try again where memory is short.
inline constexpr std::chrono::milliseconds memory_patience{5'000};

// What a subscriber is told whose pattern is refused to it (PROTOCOL 1.4). Not for `allowed`.
ErrorReply make_refusal(Policy::Verdict verdict, bool anonymous, std::string_view pattern);

}  // namespace pgtide
