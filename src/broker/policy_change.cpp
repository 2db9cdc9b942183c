#include <cstdint>
#include <optional>
#include <string>
#include <utility>

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

// Why what was read of this collection no longer holds; empty where it does.
std::optional<ResyncReason> difference(const Policy& before, const Policy& after,
                                       std::string_view collection) {
  if (table_of(before, collection) != table_of(after, collection)) {
    return ResyncReason::schema_changed;
  }
  const Projection* old_sight = before.projection(collection);
  const Projection* new_sight = after.projection(collection);
  if (old_sight == new_sight) return std::nullopt;
  const bool same =
      old_sight != nullptr && new_sight != nullptr && new_sight->shows_same(*old_sight);
  return same ? std::nullopt : std::optional(ResyncReason::permissions_changed);
}

// The same for "*". A collection that only one of the policies knows has nothing to be read anew.
std::optional<ResyncReason> difference_of_everything(const Policy& before, const Policy& after) {
  for (const Collection& collection : after.catalog().collections()) {
    if (before.catalog().find(collection.name) == nullptr) continue;
    if (const auto reason = difference(before, after, collection.name)) return reason;
  }
  for (const auto& [name, rule] : after.rules().collections) {
    const bool watched = table_of(before, name) != 0 || table_of(after, name) != 0;
    if (watched || !before.lists(name)) continue;
    if (const auto reason = difference(before, after, name)) return reason;
  }
  return std::nullopt;
}

}  // namespace

std::vector<Broker::Notice> Broker::replace_policy(std::shared_ptr<const Policy> policy) {
  State& state = *state_;
  const std::shared_ptr<const Policy> before = std::exchange(state.policy, std::move(policy));
  if (&before->rules() != &state.policy->rules()) state.unlisted.forget();
  const auto of_everything = difference_of_everything(*before, *state.policy);
  std::vector<Notice> notices;
  for (ConnectionNumber number = 0; number < state.connections.size(); ++number) {
    if (!state.connections[number]) continue;
    std::string frames = state.decide_anew(*state.connections[number], *before, of_everything);
    if (!frames.empty()) notices.push_back({number, std::move(frames)});
  }
  return notices;
}

std::string Broker::State::decide_anew(Connection& connection, const Policy& before,
                                       std::optional<ResyncReason> of_everything) {
  std::string frames;
  std::size_t at = 0;
  while (at < connection.seats.size()) {
    const std::string text = connection.record.patterns[at];
    const Pattern& pattern = connection.seats[at]->in->pattern;
    const auto verdict = policy->may_subscribe(connection.user(), pattern);
    if (verdict != Policy::Verdict::allowed) {
      remove_subscription(connection, at);
      const bool anonymous = connection.user() == nullptr;
      append_text_frame(frames, error_message(make_refusal(verdict, anonymous, text)));
      continue;
    }
    const auto reason = pattern.kind == Pattern::Kind::everything
                            ? of_everything
                            : difference(before, *policy, pattern.collection);
    if (reason) append_text_frame(frames, resync_message(text, *reason));
    ++at;
  }
  return frames;
}

// The same for one connection whose user is another now; the frames to send. What of a pattern a
// user sees is one and the same for all users under these rules.
std::string Broker::State::change_user(Connection& connection, Identity identity) {
  connection.record.user = std::move(identity.principal);
  connection.record.expires_at = identity.expires_at;
  return decide_anew(connection, *policy, std::nullopt);
}

}  // namespace pgtide
