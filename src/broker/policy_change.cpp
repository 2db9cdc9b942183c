#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/broker_state.hpp"
#include "model/frame.hpp"

// Rules or catalog are others than before: every live subscription is decided anew, in one turn, so
// that no event is ever seen under half of the new rules. A pattern that is no longer allowed ends
// with an error; one whose columns are others goes on, but its client must read anew, since
// what it has was seen with other eyes. Who is not concerned hears nothing.
namespace pgtide {
namespace {

std::int32_t table_of(const Policy& policy, std::string_view collection) {
  const Collection* watched = policy.catalog().find(collection);
  return watched != nullptr ? watched->id : 0;
}

// How somebody sees one collection.
struct Sight {
  std::int32_t table = 0;
  std::shared_ptr<const Projection> columns{};
  std::shared_ptr<const Predicate> rows{};
};

std::shared_ptr<const Projection> columns_of(const Policy& policy, const Lens* lens,
                                             const std::string& collection) {
  if (lens != nullptr) {
    const auto own = lens->projections.find(collection);
    if (own != lens->projections.end()) return own->second;
  }
  return policy.projection(collection, {});
}

Sight make_sight(const Policy& policy, const ClassTraits& traits, const std::string& collection) {
  return {table_of(policy, collection), columns_of(policy, traits.lens.get(), collection),
          traits.rest ? traits.rest->shared_predicate() : nullptr};
}

std::string_view text_of(const std::shared_ptr<const Predicate>& rows) {
  return rows ? std::string_view(rows->text()) : std::string_view{};
}

// Why what was read of this collection no longer holds; empty where it does.
std::optional<ResyncReason> difference(const Sight& before, const Sight& after) {
  if (before.table != after.table) return ResyncReason::schema_changed;
  if (text_of(before.rows) != text_of(after.rows)) return ResyncReason::permissions_changed;
  if (before.columns == after.columns) return std::nullopt;
  const bool same = before.columns && after.columns && after.columns->shows_same(*before.columns);
  return same ? std::nullopt : std::optional(ResyncReason::permissions_changed);
}

// What "*" shows, by collection.
using Sights = std::map<std::string, Sight>;

Sights see_everything(const Policy& policy, const ClassTraits& traits) {
  Sights sights;
  for (const std::string& name : policy.covered()) {
    sights.emplace(name, make_sight(policy, traits, name));
  }
  return sights;
}

// A collection that only one of them knows, or watches, has nothing to be read anew.
std::optional<ResyncReason> difference(const Sights& before, const Sights& after) {
  for (const auto& [name, sight] : after) {
    const auto known = before.find(name);
    if (known == before.end() || (known->second.table == 0) != (sight.table == 0)) continue;
    if (const auto reason = difference(known->second, sight)) return reason;
  }
  return std::nullopt;
}

}  // namespace

// Many hold "*" and see the same: what has changed for them is found out once.
struct Broker::State::Change {
  const Policy& before;
  const Policy& after;
  std::map<std::pair<const Lens*, const Lens*>, std::optional<ResyncReason>> of_everything{};
  std::optional<ResyncReason> noticed{};  // of the subscription that was decided last
  FilterTrees filters{};

  std::optional<ResyncReason> reason(const Pattern& pattern, const ClassTraits& was,
                                     const ClassTraits& is) {
    if (pattern.kind != Pattern::Kind::everything) {
      return difference(make_sight(before, was, pattern.collection),
                        make_sight(after, is, pattern.collection));
    }
    const auto both = std::pair(was.lens.get(), is.lens.get());
    const auto known = of_everything.find(both);
    if (known != of_everything.end()) return known->second;
    const auto found = difference(see_everything(before, was), see_everything(after, is));
    return of_everything.emplace(both, found).first->second;
  }
};

std::vector<Broker::Notice> Broker::replace_policy(std::shared_ptr<const Policy> policy) {
  State& state = *state_;
  const std::shared_ptr<const Policy> before = std::exchange(state.policy, std::move(policy));
  if (&before->rules() != &state.policy->rules()) state.unlisted.forget();
  state.lenses.forget();
  state.decide_unfinished_anew();
  State::Change change{*before, *state.policy};
  std::vector<Notice> notices;
  for (ConnectionNumber number = 0; number < state.connections.size(); ++number) {
    if (!state.connections[number]) continue;
    std::string frames = state.decide_anew(number, change);
    if (!frames.empty()) notices.push_back({number, std::move(frames)});
  }
  return notices;
}

std::string Broker::State::decide_anew(ConnectionNumber number, Change& change) {
  Connection& connection = at(number);
  Standing standing = standing_of(connection);
  std::string frames;
  std::size_t place = 0;
  while (place < connection.subscriptions.size()) {
    if (auto refused = decide_anew(number, place, standing, change)) {
      refused->pattern = connection.subscriptions[place]->pattern;
      remove_subscription(number, place);
      append_text_frame(frames, error_text(*refused));
      continue;
    }
    if (change.noticed) {
      append_text_frame(
          frames, resync_message(connection.subscriptions[place]->pattern, *change.noticed));
    }
    ++place;
  }
  return frames;
}

// One subscription: why it must end, or it goes on in the class that is now its own.
std::optional<ErrorReply> Broker::State::decide_anew(ConnectionNumber number, std::size_t place,
                                                     Standing& standing, Change& change) {
  Connection& connection = at(number);
  Subscription& subscription = *connection.subscriptions[place];
  const Pattern pattern = subscription.seat.in->pattern();
  const auto verdict = standing.may_subscribe(pattern);
  if (verdict != Policy::Verdict::allowed) {
    return make_refusal(verdict, connection.user() == nullptr, subscription.pattern);
  }
  const Expression* filter =
      subscription.filter ? &change.filters.find(subscription.filter) : nullptr;
  if (filter != nullptr) {
    if (auto fault = fault_of(standing, pattern, *filter)) return fault;
  }
  ClassTraits traits = traits_of(standing, pattern, subscription, filter);
  change.noticed = change.reason(pattern, subscription.seat.in->traits, traits);
  if (SubscriptionIndex::is_in(subscription.seat, traits)) return std::nullopt;
  index.leave(subscription.seat);
  index.join(subscription.seat, number, pattern, std::move(traits));
  return std::nullopt;
}

ClassTraits Broker::State::traits_of(Standing& standing, const Pattern& pattern,
                                     const Subscription& subscription,
                                     const Expression* filter) {
  std::shared_ptr<const Predicate> rows;
  if (pattern.kind != Pattern::Kind::everything) {
    rows = standing.rows(pattern);
  }
  const std::shared_ptr<const Predicate> ruled = rows;
  bool open = false;
  auto lens = standing.lens(pattern);
  if (filter != nullptr) {
    const auto shown = columns_of(standing.policy(), lens.get(), pattern.collection);
    open = shown->shape.open;
    rows = Predicate::both(ruled, Predicate::of_filter(*filter, *shown));
  }
  if (rows && rows->outcome() == Predicate::Outcome::always) rows = nullptr;
  const bool served_by_rule = rows && ruled && rows->terms() == ruled->terms();
  return {.events = subscription.events,
          .filtered = filter != nullptr,
          .matching = subscription.filter != nullptr && subscription.filter->has_pattern,
          .unindexed = open && !served_by_rule,
          .rest = index.share(std::move(rows)),
          .lens = std::move(lens)};
}

std::optional<ErrorReply> Broker::State::fault_of(Standing& standing, const Pattern& pattern,
                                                  const Expression& filter) {
  ErrorReply fault{.code = WireCode::invalid_filter};
  if (pattern.kind == Pattern::Kind::everything) {
    fault.message = "a filter speaks of one collection; give it to a pattern such as posts.*";
    return fault;
  }
  const Collection* watched = standing.policy().catalog().find(pattern.collection);
  if (watched != nullptr && !watched->old_rows) {
    fault.message = pattern.collection + " is watched without old rows, so it cannot be filtered";
    return fault;
  }
  const auto lens = standing.lens(pattern);
  const auto columns = columns_of(standing.policy(), lens.get(), pattern.collection);
  const auto faults = filter.check({.record = &columns->shape});
  if (faults.empty()) return std::nullopt;
  fault.message = faults.front().message;
  fault.position = faults.front().offset;
  return fault;
}

// The same for one connection whose user is another now; the frames to send.
std::string Broker::State::change_user(ConnectionNumber number, Identity identity) {
  Connection& connection = at(number);
  connection.record.take(std::move(identity));
  Change change{*policy, *policy};
  return decide_anew(number, change);
}

}  // namespace pgtide
