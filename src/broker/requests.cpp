#include <string>
#include <utility>

#include "broker/broker_state.hpp"
#include "model/frame.hpp"
#include "pgtide/result.hpp"

// What a client's message does, and what it is told. The order of the checks is the contract's
// (PROTOCOL 1.4): shape, rate, pattern, permission, limit, memory, filter. A request that is
// refused anywhere has changed nothing.
//
// What work costs is paid for before it is done: a message takes a token, whether it means
// something or not, and each entry of it more of another bucket, which is large enough for a client
// that subscribes to all that it may hold at its start. What is dear is paid for by its address,
// too (origins.cpp). A client that goes on while it is refused
// is closed: each message that is refused for the rate counts one, and each that is answered takes
// one off again. (Rejected: refusals without an answer between them. A client is answered ten times
// a second however many it sends, so there never are a hundred.)
namespace pgtide {
namespace {

// A longer message is paid for before it is read, be it a ping, and is refused without its `id`.
constexpr std::size_t unpaid_bytes_max = 1'024;
// To an address a pattern without a filter is cheap: it takes a tenth of one with a filter.
constexpr double origin_tokens_of_item = 0.1, origin_tokens_of_held = 0.5;
// What an address would pay for a piece of a message, about: eight filters, or eighty patterns
// without one; a fifth of a millisecond, or less.
constexpr double tokens_of_piece = 8;

}  // namespace

// A message being answered.
struct Broker::State::Request {
  ConnectionNumber number;
  Connection& connection;
  Clock::time_point now;
  std::optional<Standing> standing;
  std::string id{};  // the client's, as JSON text
  Reply reply{};
  bool rate_limited = false;  // it, or something in it
  std::vector<SubscribeItem> items{};  // of a subscribe, and which of them is next
  std::size_t next = 0;
  double tokens = 0;      // of the present piece
  MemoryCharge charge{};  // while it waits
  // Of subscriptions, before one that others give way to; none: there is enough.
  std::optional<std::size_t> held_before{};

  void say(const std::string& message) { append_text_frame(reply.frames, message); }
};

// A subscription that is asked for.
struct Broker::State::Wanted {
  Subscription subscription{};
  std::shared_ptr<const Expression> filter{};  // null: none
};

ErrorReply make_refusal(Policy::Verdict verdict, bool anonymous, std::string_view pattern) {
  ErrorReply error{.pattern = std::string(pattern)};
  if (anonymous) {
    error.code = WireCode::unauthenticated;
    error.message = "this pattern is not open to anonymous connections; connect with a credential";
  } else if (verdict == Policy::Verdict::unknown_collection) {
    error.code = WireCode::unknown_collection;
    error.message = "there is no such collection; watch the table or list the name in the rules";
  } else {
    error.code = WireCode::permission_denied;
    error.message = "you may not subscribe to this pattern; ask whoever runs this server";
  }
  return error;
}

Reply Broker::receive(ConnectionNumber number, std::string_view text, Clock::time_point now) {
  State& state = *state_;
  state.latest = now;
  Connection& connection = state.at(number);
  PGTIDE_ASSERT(state.unfinished.empty() || !state.unfinished.contains(number));
  State::Request request{number, connection, now, state.standing_of(connection)};
  const bool is_long = text.size() > unpaid_bytes_max;
  if (is_long && !state.pay(request)) {
    state.settle(request);
    return std::move(request.reply);
  }
  auto parsed = parse_client_message(text, state.options.limits.subscriptions_per_connection);
  if (auto* fault = std::get_if<MessageFault>(&parsed)) {
    request.rate_limited = !is_long && !connection.requests.take(state.request_rate, now);
    request.id = std::move(fault->id);
    state.refuse(request, {.code = fault->code, .message = std::move(fault->message)});
    state.settle(request);
    return std::move(request.reply);
  }
  auto& message = std::get<ClientMessage>(parsed);
  request.id = std::move(message.id);
  const bool is_free = !is_long && std::holds_alternative<PingMessage>(message.body);
  if (is_free || is_long || state.pay(request)) state.dispatch(request, message);
  if (is_free) return std::move(request.reply);
  Reply reply = state.answer_piece(request);
  if (reply.unfinished) {
    request.charge = {state.options.memory, MemoryKind::messages, text.size()};
    state.unfinished.emplace(number, std::make_shared<State::Request>(std::move(request)));
  }
  return reply;
}

Reply Broker::go_on(ConnectionNumber number, Clock::time_point now) {
  State& state = *state_;
  state.latest = now;
  const auto found = state.unfinished.find(number);
  PGTIDE_ASSERT(found != state.unfinished.end());
  found->second->now = now;
  Reply reply = state.answer_piece(*found->second);
  if (!reply.unfinished) state.unfinished.erase(found);
  return reply;
}

// What is left of a subscribe, as far as a piece goes. Each pattern is told the position at which
// it is put into the index, and its reply goes out before any later event does.
Reply Broker::State::answer_piece(Request& request) {
  for (request.tokens = 0; request.next < request.items.size(); ++request.next) {
    if (request.tokens >= tokens_of_piece) {
      request.reply.unfinished = true;
      return std::exchange(request.reply, {});
    }
    subscribe(request, request.items[request.next]);
  }
  settle(request);
  return std::exchange(request.reply, {});
}

// What was decided by the rules before these does not hold for the patterns that are still to come.
void Broker::State::decide_unfinished_anew() {
  for (auto& [number, request] : unfinished) {
    request->standing.reset();
    request->standing.emplace(standing_of(request->connection));
  }
}

void Broker::State::dispatch(Request& request, ClientMessage& message) {
  if (const auto* auth = std::get_if<AuthMessage>(&message.body)) return answer(request, *auth);
  if (!request.connection.admitted(options)) {
    return refuse(request, {.code = WireCode::unauthenticated,
                            .message = "this server wants to know who you are: send auth first"});
  }
  if (auto* subscribe = std::get_if<SubscribeMessage>(&message.body)) {
    request.items = std::move(subscribe->items);
  } else if (const auto* unsubscribe = std::get_if<UnsubscribeMessage>(&message.body)) {
    answer(request, *unsubscribe);
  } else {
    request.say(pong_message(request.id));
  }
}

// Events before `authenticated` followed the old identity, later ones follow the new.
void Broker::State::answer(Request& request, const AuthMessage& message) {
  const auto held = static_cast<double>(request.connection.subscriptions.size());
  if (!pay(request, {held * tokens_of_item, held * origin_tokens_of_held}, {})) return;
  auto identity = options.verify_token
                      ? options.verify_token(message.token,
                                             request.connection.record.remote_address)
                      : Error{ErrorKind::denied, "this server knows no tokens"};
  if (!identity && identity.error().kind == ErrorKind::unavailable) {
    return refuse(request, {.code = WireCode::rate_limited,
                            .message = identity.error().message,
                            .retry_after = std::chrono::seconds(1)});
  }
  if (!identity) {
    return refuse(request,
                  {.code = WireCode::invalid_token, .message = identity.error().message});
  }
  Connection& connection = request.connection;
  if (!connection.admitted(options)) index.join_everyone(connection.everyone, request.number);
  request.say(authenticated_message(request.id, *identity));
  request.reply.frames += change_user(request.number, std::move(*identity));
  request.reply.authenticated = true;
}

// Takes a token for the request, or refuses it.
bool Broker::State::pay(Request& request) {
  Tokens& bucket = request.connection.requests;
  if (bucket.take(request_rate, request.now)) return true;
  request.rate_limited = true;
  refuse(request, {.code = WireCode::rate_limited,
                   .message = "too many requests a second; wait, then send it again",
                   .retry_after = bucket.wait(request_rate)});
  return false;
}

// The same for one entry of it. A filter that only speaks of matches() pays as if it called it:
// whether it does is known when it has been parsed.
bool Broker::State::pay(Request& request, const SubscribeItem& item) {
  double of_filter = 0;
  if (item.filter) {
    of_filter += tokens_of_filter * static_cast<double>(1 + item.filter->size() / filter_bytes);
  }
  if (item.filter && item.filter->find("matches") != std::string::npos) {
    of_filter += tokens_of_pattern;
  }
  const Price price{tokens_of_item + of_filter, origin_tokens_of_item + of_filter};
  const bool is_paid = pay(request, price, item.pattern);
  request.tokens += is_paid ? price.of_origin : origin_tokens_of_item;
  return is_paid;
}

bool Broker::State::pay(Request& request, Price price, std::string_view pattern) {
  Tokens& own = request.connection.work;
  const OriginNumber origin = origin_of(request.number);
  const bool has_own = own.take(work_rate, request.now, price.of_connection);
  if (has_own && origins.take(origin, request.now, price.of_origin)) return true;
  ErrorReply error{.code = WireCode::rate_limited,
                   .message = "too many patterns and filters a second; wait, then send it again",
                   .pattern = std::string(pattern),
                   .retry_after = own.wait(work_rate, price.of_connection)};
  if (has_own) {
    own.give_back(work_rate, price.of_connection);
    error.message = "too many patterns and filters a second from this address; wait, then send it "
                    "again";
    error.retry_after = origins.wait(origin, price.of_origin);
  }
  request.rate_limited = true;
  refuse(request, std::move(error));
  return false;
}

// What the request's end means for those that may still come.
void Broker::State::settle(Request& request) {
  std::uint32_t& refusals = request.connection.refusals;
  if (!request.rate_limited) {
    refusals -= refusals > 0 ? 1 : 0;
  } else if (++refusals >= options.limits.refusals) {
    request.reply.close = CloseCode::too_many_refusals;
  }
}

void Broker::State::refuse(Request& request, ErrorReply error) {
  ++counters.requests_refused;
  error.id = request.id;
  request.say(error_text(error));
}

void Broker::State::subscribe(Request& request, const SubscribeItem& item) {
  if (!pay(request, item)) return;
  const auto pattern = parse_pattern(item.pattern);
  if (!pattern) {
    refuse(request, {.code = WireCode::invalid_pattern,
                     .message = pattern.error().message,
                     .pattern = item.pattern});
    return;
  }
  const Principal* user = request.connection.user();
  const Policy::Verdict verdict = request.standing->may_subscribe(*pattern);
  if (verdict != Policy::Verdict::allowed) {
    refuse(request, make_refusal(verdict, user == nullptr, item.pattern));
    return;
  }
  if (!has_room(request, item) || !has_memory(request, item)) return;
  Wanted wanted{.subscription = {.pattern = item.pattern, .events = item.events}};
  if (!read_filter(request, *pattern, item, wanted)) return;
  hold(request, *pattern, item, std::move(wanted));
}

// Replaces even a held one only where there is room: what comes may be larger than what goes.
bool Broker::State::has_memory(Request& request, const SubscribeItem& item) {
  request.held_before.reset();
  if (options.memory == nullptr || options.memory->takes_subscription()) return true;
  if (options.memory->exchanges_subscription() && shares.is_short(origin_of(request.number))) {
    request.held_before = options.memory->used(MemoryKind::subscriptions);
    return true;
  }
  options.memory->note(MemoryStep::subscription_refused);
  refuse(request, {.code = WireCode::server_busy,
                   .message = "the server is short of memory for more subscriptions; try again "
                              "later",
                   .pattern = item.pattern,
                   .retry_after = memory_patience});
  return false;
}

// Is the pattern held, or may one more be?
bool Broker::State::has_room(Request& request, const SubscribeItem& item) {
  const Connection& connection = request.connection;
  const std::size_t held = connection.subscriptions.size();
  const std::size_t limit = options.limits.subscriptions_per_connection;
  if (held < limit || connection.find(item.pattern) < held) return true;
  refuse(request, {.code = WireCode::subscription_limit,
                   .message = "a connection holds at most " + std::to_string(limit) +
                              " subscriptions; unsubscribe from one first",
                   .pattern = item.pattern});
  return false;
}

bool Broker::State::read_filter(Request& request, const Pattern& pattern, const SubscribeItem& item,
                                Wanted& wanted) {
  if (!item.filter) return true;
  auto parsed = Expression::parse(*item.filter, filter_limits);
  std::optional<ErrorReply> fault;
  if (const auto* faults = std::get_if<1>(&parsed)) {
    fault = ErrorReply{.code = WireCode::invalid_filter,
                       .message = faults->front().message,
                       .position = faults->front().offset};
  } else {
    wanted.filter = std::move(std::get<0>(parsed));
    fault = fault_of(*request.standing, pattern, *wanted.filter);
  }
  if (!fault) return true;
  fault->pattern = item.pattern;
  refuse(request, std::move(*fault));
  return false;
}

// Takes the subscription, or gives a held one its new options.
void Broker::State::hold(Request& request, const Pattern& pattern, const SubscribeItem& item,
                         Wanted wanted) {
  Connection& connection = request.connection;
  const Expression* filter = wanted.filter.get();
  if (filter != nullptr) wanted.subscription.filter = filters.hold(*filter);
  ClassTraits traits = traits_of(*request.standing, pattern, wanted.subscription, filter);
  const std::size_t at = connection.find(item.pattern);
  const Seat* leaving =
      at < connection.subscriptions.size() ? &connection.subscriptions[at]->seat : nullptr;
  if (!index.may_join({pattern, traits, request.number, leaving})) {
    refuse(request, {.code = WireCode::filter_limit,
                     .message = "too many filters on this collection that no index serves, or too "
                                "many of them from you; ask for a column that equals something",
                     .pattern = item.pattern});
    return;
  }
  if (at == connection.subscriptions.size()) {
    charge(wanted.subscription);
    connection.subscriptions.push_back(std::make_unique<Subscription>());
    ++subscription_count;
  } else {
    shares.take(holder_of(request.number), weight_of(*connection.subscriptions[at]));
  }
  Subscription& subscription = *connection.subscriptions[at];
  index.leave(subscription.seat);
  subscription = std::move(wanted.subscription);
  index.join(subscription.seat, request.number, pattern, std::move(traits));
  shares.add(holder_of(request.number), weight_of(subscription));
  if (request.held_before) reclaim_memory(request.number, *request.held_before);
  connection.told = moves;
  request.say(subscribed_message(request.id, item.pattern, sealer->seal(position)));
}

void Broker::State::answer(Request& request, const UnsubscribeMessage& message) {
  Connection& connection = request.connection;
  const auto pattern = parse_pattern(message.pattern);
  if (!pattern) {
    refuse(request, {.code = WireCode::invalid_pattern,
                     .message = pattern.error().message,
                     .pattern = message.pattern});
    return;
  }
  std::size_t removed = 0;
  const std::size_t held = connection.subscriptions.size();
  if (pattern->kind == Pattern::Kind::everything) {
    for (; !connection.subscriptions.empty(); ++removed) {
      remove_subscription(request.number, connection.subscriptions.size() - 1);
    }
  } else if (const auto at = connection.find(message.pattern); at < held) {
    remove_subscription(request.number, at);
    removed = 1;
  }
  request.say(unsubscribed_message(request.id, message.pattern, removed));
}

}  // namespace pgtide
