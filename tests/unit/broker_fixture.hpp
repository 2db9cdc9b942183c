#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/broker.hpp"
#include "model/frame.hpp"

// A broker with a small world around it: tables posts(id, title, email), comments(post, n, body)
// and users(id, name), rules to choose, and the payloads that each connection got.
namespace pgtide::test {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

// The payloads of whole text frames.
inline Lines payloads(std::string_view frames) {
  Lines lines;
  while (!frames.empty()) {
    const std::size_t size = frame_size_at(frames);
    const std::size_t length = static_cast<unsigned char>(frames[1]);
    const std::size_t header = length < 126 ? 2 : length == 126 ? 4 : 10;
    lines.emplace_back(frames.substr(header, size - header));
    frames.remove_prefix(size);
  }
  return lines;
}

inline Collection posts_table() {
  return {.id = 1,
          .name = "posts",
          .table = "public.posts",
          .key = {"id"},
          .columns = {"id", "title", "email"}};
}
inline Collection comments_table() {
  return {.id = 2,
          .name = "comments",
          .table = "public.comments",
          .key = {"post", "n"},
          .columns = {"post", "n", "body"}};
}
inline Collection users_table() {
  return {
      .id = 3, .name = "users", .table = "public.users", .key = {"id"}, .columns = {"id", "name"}};
}
inline std::vector<Collection> all_tables() {
  return {posts_table(), comments_table(), users_table()};
}

inline CollectionRule public_rule(const std::string& name) {
  return {.name = name,
          .table = "public." + name,
          .subscribe = {.kind = Audience::Kind::anyone},
          .place = {1, 1}};
}

// Rules that list these, and whether `all` is public.
inline std::shared_ptr<const Rules> make_rules(const std::vector<CollectionRule>& listed,
                                               bool all = true) {
  auto rules = std::make_shared<Rules>();
  rules->file = "rules.yaml";
  if (all) rules->all.kind = Audience::Kind::anyone;
  for (const auto& rule : listed) rules->collections.emplace(rule.name, rule);
  return rules;
}

inline std::shared_ptr<const Policy> make_policy(const std::vector<CollectionRule>& listed,
                                                 std::vector<Collection> tables = all_tables(),
                                                 bool all = true) {
  auto catalog = std::make_shared<Catalog>(std::move(tables), std::vector<std::string>{});
  return Policy::bind(make_rules(listed, all), std::move(catalog), nullptr);
}

// posts, comments and notifications (custom only), all public.
inline std::shared_ptr<const Policy> open_policy() {
  return make_policy({public_rule("posts"), public_rule("comments"), public_rule("notifications")});
}

class World {
 public:
  explicit World(std::shared_ptr<const Policy> policy = open_policy(), BrokerOptions options = {})
      : policy_(std::move(policy)), broker(options, policy_, {9, 0, 0}) {}

  ConnectionNumber open(std::optional<Principal> user = {}, const std::string& address = "") {
    ConnectionRecord record{.id = "c" + std::to_string(++opened_), .user = std::move(user)};
    record.remote_address = address;
    const auto opened = broker.open(std::move(record), now);
    got[opened.number] = payloads(opened.frames);
    return opened.number;
  }
  // A connection that holds these, and has forgotten the replies.
  ConnectionNumber subscriber(const Lines& patterns, const std::string& events = "") {
    const auto number = open();
    for (const auto& pattern : patterns) {
      say(number, subscribe(pattern, events));
      now += 1s;
    }
    got[number].clear();
    return number;
  }
  static std::string subscribe(const std::string& pattern, const std::string& events = "") {
    const std::string options = events.empty() ? "" : ",\"events\":" + events;
    return R"({"type":"subscribe","pattern":")" + pattern + "\"" + options + "}";
  }
  Lines patterns(ConnectionNumber number) const {
    Lines patterns;
    for (const HeldPattern& held : broker.patterns(number)) patterns.push_back(held.pattern);
    return patterns;
  }
  // All of it, however many pieces it is answered in.
  Reply receive(ConnectionNumber number, std::string_view text) {
    Reply whole = broker.receive(number, text, now);
    while (whole.unfinished) {
      Reply piece = broker.go_on(number, now);
      piece.frames.insert(0, whole.frames);
      whole = std::move(piece);
    }
    return whole;
  }
  Reply say(ConnectionNumber number, std::string_view text) {
    Reply reply = receive(number, text);
    for (auto& line : payloads(reply.frames)) got[number].push_back(std::move(line));
    return reply;
  }
  // What one message is answered with.
  Lines ask(ConnectionNumber number, std::string_view text) {
    return payloads(receive(number, text).frames);
  }

  Batch batch(std::vector<Event> events) {
    Batch made{.epoch = 9, .tick = ++tick_, .nonce = 5};
    for (auto& event : events) {
      if (event.id == 0) event.id = ++event_id_;
      if (event.timestamp.empty()) event.timestamp = timestamp;
    }
    made.events = std::move(events);
    return made;
  }
  void deliver(std::vector<Event> events) { deliver(batch(std::move(events))); }
  void deliver(const Batch& made) {
    broker.deliver(made, [this](const Delivery& delivery) {
      for (auto& line : payloads(delivery.run->frames)) {
        got[delivery.connection].push_back(std::move(line));
      }
    });
  }
  void take(const std::vector<Broker::Notice>& notices) {
    for (const auto& notice : notices) {
      for (auto& line : payloads(notice.frames)) got[notice.connection].push_back(std::move(line));
    }
  }
  Lines taken(ConnectionNumber number) { return std::exchange(got[number], {}); }

  // The cursor of the event with this id in the latest batch.
  std::string cursor(std::uint64_t id) const { return to_string(Cursor{9, tick_, 5, id}); }

  static constexpr const char* timestamp = "2026-11-23T10:15:30.123456Z";

 private:
  std::shared_ptr<const Policy> policy_;

 public:
  Broker broker;
  Broker::Clock::time_point now{1'000'000s};
  std::map<ConnectionNumber, Lines> got;

 private:
  int opened_ = 0;
  std::uint64_t tick_ = 0;
  std::uint64_t event_id_ = 0;
};

inline Event created(const std::string& collection, const std::string& id, const std::string& row) {
  return {.action = Action::create, .collection = collection, .record_id = id, .new_row = row};
}
inline Event updated(const std::string& collection, const std::string& id,
                     const std::string& before, const std::string& after) {
  return {.action = Action::update,
          .collection = collection,
          .record_id = id,
          .new_row = after,
          .old_row = before};
}
inline Event deleted(const std::string& collection, const std::string& id, const std::string& row) {
  return {.action = Action::delete_, .collection = collection, .record_id = id, .old_row = row};
}
inline Event truncated(const std::string& collection) {
  return {.action = Action::truncate, .collection = collection};
}
inline Event schema_changed(const std::string& collection) {
  return {.action = Action::schema_changed, .collection = collection};
}
inline Event custom(const std::string& collection, const std::string& value) {
  return {.action = Action::custom, .collection = collection, .new_row = value};
}
inline Event to_everyone(const std::string& value) {
  return {.action = Action::custom, .to_everyone = true, .new_row = value};
}

}  // namespace pgtide::test
