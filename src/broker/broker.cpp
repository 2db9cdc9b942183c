#include "broker/broker.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "broker/broker_state.hpp"
#include "model/frame.hpp"
#include "pgtide/result.hpp"

// The broker in one page.
//
// A *subscription* is a seat in a *delivery class*: all subscriptions with the same pattern, the
// same rows and columns to see and the same options, which therefore get the same frames out of a
// batch (delivery_class.hpp). What rules and a filter leave to be asked of a row, once the user is
// known, is a *remainder*; an event finds its classes by hash, also by what its row holds
// (class_group.cpp), so its cost grows with its receivers and not with the subscribers. What a
// class gets out of a batch is one run of whole WebSocket frames, built once and shared
// (fan_out.cpp, event_text.cpp); the gateway writes it to each socket as it is.
//
// What a request asks for is answered in order, between two stretches of events (requests.cpp): so
// "live from this cursor on" needs no bookkeeping, it is the position at which that was answered.
// New rules take effect in the same way (policy_change.cpp).
//
// Nothing here waits, reads a clock or knows a socket: a test feeds it messages and batches and
// compares bytes.
namespace pgtide {
namespace {

bool means(const ConnectionQuery& query, const ConnectionRecord& record) {
  if (query.id && record.id != *query.id) return false;
  if (query.user && (!record.user || record.user->id != *query.user)) return false;
  return record.id > query.after;
}

// What a subscription takes beside its filter, by the sizes of its seat, class and group and of
// their places in the index, and how often its pattern stands there. An estimate, upwards.
std::size_t bytes_of(const Subscription& subscription) {
  constexpr std::size_t itself = 768, pattern_copies = 4;
  return itself + pattern_copies * subscription.pattern.size();
}

// A reclaim looks at so many at most: other shards may take as much meanwhile.
constexpr std::size_t reclaimed_at_once = 16;

std::string why_ended(ScanBudget::Shortage why) {
  const std::string mend = "; this one has ended: ask for a column that equals something, or for "
                           "less";
  if (why == ScanBudget::Shortage::own) {
    return "the filters of this connection would take more steps for one event than one may" + mend;
  }
  if (why == ScanBudget::Shortage::places) {
    return "who had this filter before you is gone, and it is one more that no index serves than "
           "your share of them" + mend;
  }
  if (why == ScanBudget::Shortage::share) {
    return "others have come who hold fewer filters that no index serves than their share, and "
           "this was the latest of those that your address or connection held beyond its own" +
           mend;
  }
  const std::string of = why == ScanBudget::Shortage::event ? "one event" : "one second";
  return "all filters took what they may for " + of + ", and those of this connection more than "
         "their share of it" + mend;
}

}  // namespace

std::size_t weight_of(const Subscription& subscription) {
  constexpr std::size_t text_copies = 4;  // with what a filter is compiled to
  const auto& filter = subscription.filter;
  return bytes_of(subscription) + (filter ? text_copies * filter->text.size() : 0);
}

std::size_t Connection::find(std::string_view pattern) const {
  const auto found = std::find_if(subscriptions.begin(), subscriptions.end(),
                                  [=](const auto& held) { return held->pattern == pattern; });
  return static_cast<std::size_t>(found - subscriptions.begin());
}

double BrokerLimits::work_burst() const {
  return std::max(requests_per_second, static_cast<double>(subscriptions_per_connection) *
                                           tokens_of_filtered_item);
}

Broker::State::State(BrokerOptions options_, std::shared_ptr<const Policy> policy_,
                     Cursor position_)
    : options(std::move(options_)),
      sealer(options.sealer ? options.sealer : std::make_shared<PlainCursors>()),
      policy(std::move(policy_)),
      position(position_),
      index({options.limits.filter_steps_per_event, options.limits.filter_steps_per_second,
             options.limits.scanned_filters},
            options.memory),
      filters(options.memory),
      fan_out(options.limits, *sealer, options.clock, options.memory),
      origins(options.limits.requests_per_second, options.limits.work_burst()),
      request_rate(options.limits.requests_per_second, options.limits.requests_per_second),
      work_rate(options.limits.requests_per_second, options.limits.work_burst()) {}

Broker::State::~State() {
  for (const auto& connection : connections) {
    if (!connection) continue;
    for (const auto& held : connection->subscriptions) give_back(*held);
  }
}

Connection& Broker::State::at(ConnectionNumber number) {
  PGTIDE_ASSERT(number < connections.size() && connections[number]);
  return *connections[number];
}

void Broker::State::charge(const Subscription& subscription) const {
  if (options.memory == nullptr) return;
  options.memory->add(MemoryKind::subscriptions, bytes_of(subscription));
}

void Broker::State::give_back(const Subscription& subscription) const {
  if (options.memory == nullptr) return;
  options.memory->take(MemoryKind::subscriptions, bytes_of(subscription));
}

std::string Broker::State::error_text(const ErrorReply& error) {
  ++counters.errors[static_cast<std::size_t>(error.code)];
  return error_message(error);
}

void Broker::State::remove_subscription(ConnectionNumber number, std::size_t at) {
  Connection& connection = this->at(number);
  const auto place = static_cast<std::ptrdiff_t>(at);
  shares.take(holder_of(number), weight_of(*connection.subscriptions[at]));
  index.leave(connection.subscriptions[at]->seat);
  give_back(*connection.subscriptions[at]);
  connection.subscriptions.erase(connection.subscriptions.begin() + place);
  --subscription_count;
}

void Broker::State::reclaim_memory(ConnectionNumber number, std::size_t bytes) {
  for (std::size_t i = 0; i < reclaimed_at_once; ++i) {
    if (options.memory->used(MemoryKind::subscriptions) <= bytes) return;
    const auto most = shares.find_excess(origin_of(number));
    if (!most) return;
    const auto& held = at(*most).subscriptions;
    const ErrorReply error{
        .code = WireCode::server_busy,
        .message = "the server is short of memory, and this was the latest subscription of those "
                   "that your address holds beyond its share: it has ended; try again later",
        .pattern = held.back()->pattern,
        .retry_after = memory_patience};
    remove_subscription(*most, held.size() - 1);
    options.memory->note(MemoryStep::subscription_ended);
    given_up.push_back({*most, make_text_frame(error_text(error))});
  }
}

Broker::Broker(BrokerOptions options, std::shared_ptr<const Policy> policy, Cursor position)
    : state_(std::make_unique<State>(std::move(options), std::move(policy), position)) {}

Broker::~Broker() = default;

Broker::Opened Broker::open(ConnectionRecord record, Clock::time_point now) {
  State& state = *state_;
  Opened opened;
  if (state.free_numbers.empty()) {
    opened.number = static_cast<ConnectionNumber>(state.connections.size());
    state.connections.emplace_back();
    state.heard.push_back(0);
  } else {
    opened.number = state.free_numbers.back();
    state.free_numbers.pop_back();
  }
  state.latest = now;
  const Tokens requests(state.request_rate, now), work(state.work_rate, now);
  state.index.budget().enter(opened.number, state.origins.enter(state.address_of(record), now));
  auto connection = std::make_unique<Connection>(Connection{std::move(record), requests, work});
  connection->told = state.moves;
  state.heard[opened.number] = 0;
  if (connection->admitted(state.options)) {
    state.index.join_everyone(connection->everyone, opened.number);
  }
  Greeting greeting{connection->record.id, connection->user(), state.options.heartbeat_interval};
  if (connection->record.expires_at != ConnectionRecord::never) {
    greeting.expires_at = connection->record.expires_at;
  }
  append_text_frame(opened.frames, connected_message(greeting));
  state.connections[opened.number] = std::move(connection);
  ++state.connection_count;
  return opened;
}

void Broker::close(ConnectionNumber number) {
  State& state = *state_;
  Connection& connection = state.at(number);
  for (const auto& subscription : connection.subscriptions) {
    state.shares.take(state.holder_of(number), weight_of(*subscription));
    state.index.leave(subscription->seat);
    state.give_back(*subscription);
  }
  std::erase_if(state.given_up, [number](const Notice& one) { return one.connection == number; });
  state.index.leave(connection.everyone);
  state.origins.leave(state.origin_of(number), state.latest);
  state.index.budget().forget(number);
  state.subscription_count -= connection.subscriptions.size();
  --state.connection_count;
  state.unfinished.erase(number);
  state.connections[number].reset();
  state.free_numbers.push_back(number);
}

std::size_t Broker::deliver(const Batch& batch, std::size_t from, const Send& send) {
  State& state = *state_;
  const Send note_and_send = [&](const Delivery& delivery) {
    state.heard[delivery.connection] = 1;
    state.counters.deliveries += delivery.run->events;
    send(delivery);
  };
  const std::size_t end =
      state.fan_out.deliver(batch, from, {*state.policy, state.index, note_and_send});
  const auto events = std::span(batch.events).subspan(from, end - from);
  state.counters.events_in += events.size();
  state.collections.note(events, *state.policy);
  state.counters.filter_steps = state.index.budget().steps();
  state.counters.events_truncated = state.fan_out.events_truncated();
  state.counters.events_unlisted += state.fan_out.unlisted().size();
  for (const std::string_view name : state.fan_out.unlisted()) state.unlisted.note(name);
  const bool whole = end == batch.events.size();
  state.position = whole ? batch.cursor_end() : batch.cursor_after(events.back());
  ++state.moves;
  return end;
}

void Broker::deliver(const Batch& batch, const Send& send) {
  std::size_t next = 0;
  do {
    next = deliver(batch, next, send);
  } while (next < batch.events.size());
}

std::vector<Broker::Notice> Broker::take_ended() {
  State& state = *state_;
  std::vector<Notice> notices = std::exchange(state.given_up, {});
  for (const auto& ended : state.index.budget().take_ended()) {
    Connection& connection = state.at(ended.connection);
    const auto& held = connection.subscriptions;
    const auto found = std::find_if(held.begin(), held.end(), [seat = ended.seat](const auto& one) {
      return &one->seat == seat && one->seat.ended;
    });
    if (found == held.end()) continue;
    const ErrorReply error{.code = WireCode::filter_limit,
                           .message = why_ended(ended.why),
                           .pattern = (*found)->pattern};
    state.remove_subscription(ended.connection, static_cast<std::size_t>(found - held.begin()));
    ++state.counters.filters_ended;
    notices.push_back({ended.connection, make_text_frame(state.error_text(error))});
  }
  return notices;
}

const DeliveryTimes& Broker::last_times() const {
  return state_->fan_out.times();
}

std::vector<Broker::Notice> Broker::lose_position(ResyncReason reason, Cursor position) {
  State& state = *state_;
  state.position = position;
  ++state.moves;
  const std::string frame = make_text_frame(resync_message({}, reason));
  std::vector<Notice> notices;
  for (ConnectionNumber number = 0; number < state.connections.size(); ++number) {
    const auto& connection = state.connections[number];
    if (connection && !connection->subscriptions.empty()) notices.push_back({number, frame});
  }
  return notices;
}

std::string Broker::position_frame(ConnectionNumber number) {
  State& state = *state_;
  Connection& connection = state.at(number);
  const bool heard = std::exchange(state.heard[number], std::uint8_t{0}) != 0;
  if (!connection.admitted(state.options) || heard || connection.told == state.moves) return {};
  connection.told = state.moves;
  return make_text_frame(position_message(state.sealer->seal(state.position)));
}

Cursor Broker::position() const {
  return state_->position;
}

Result<Cursor> Broker::open_cursor(std::string_view text) const {
  return state_->sealer->open(text);
}

std::size_t Broker::connection_count() const {
  return state_->connection_count;
}

std::size_t Broker::subscription_count() const {
  return state_->subscription_count;
}

const ConnectionRecord& Broker::record(ConnectionNumber number) const {
  return state_->at(number).record;
}

std::optional<OriginNumber> Broker::find_origin(const std::string& address_key) const {
  return state_->origins.find(address_key);
}

OriginNumber Broker::origin_of(ConnectionNumber number) const {
  return state_->origin_of(number);
}

std::optional<ConnectionNumber> Broker::find(std::string_view id) const {
  for (std::size_t i = 0; i < state_->connections.size(); ++i) {
    const auto& connection = state_->connections[i];
    if (connection && connection->record.id == id) return static_cast<ConnectionNumber>(i);
  }
  return std::nullopt;
}

std::vector<HeldPattern> Broker::patterns(ConnectionNumber number) const {
  std::vector<HeldPattern> patterns;
  for (const auto& held : state_->at(number).subscriptions) {
    patterns.push_back({held->pattern, held->filter ? held->filter->text : ""});
  }
  return patterns;
}

std::vector<ConnectionNumber> Broker::select(const ConnectionQuery& query) const {
  const auto& connections = state_->connections;
  std::vector<ConnectionNumber> found;
  for (ConnectionNumber number = 0; number < connections.size(); ++number) {
    if (connections[number] && means(query, connections[number]->record)) found.push_back(number);
  }
  const auto kept = static_cast<std::ptrdiff_t>(std::min(query.limit, found.size()));
  const auto by_id = [&](ConnectionNumber left, ConnectionNumber right) {
    return connections[left]->record.id < connections[right]->record.id;
  };
  std::partial_sort(found.begin(), found.begin() + kept, found.end(), by_id);
  found.resize(static_cast<std::size_t>(kept));
  return found;
}

const BrokerCounters& Broker::counters() const {
  return state_->counters;
}

const TextMap<std::uint64_t>& Broker::events_by_collection() const {
  return state_->collections.read();
}

std::vector<std::string> Broker::take_unlisted() {
  return state_->unlisted.take();
}

}  // namespace pgtide
