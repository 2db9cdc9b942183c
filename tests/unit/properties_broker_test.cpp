#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "broker_fixture.hpp"
#include "model/server_message.hpp"

// The broker against a model that knows no index, no class and no run: for each connection it looks
// at each event, compares the patterns' texts, and prints the frame from the values that the test
// made up, never from a row's text. Both see the same random traffic; every connection's stream
// must be equal to the byte.
using namespace pgtide;
using namespace pgtide::test;

namespace {

using Members = std::vector<std::pair<std::string, std::string>>;  // column, JSON text

struct Table {
  std::string name;
  Lines key;
  Lines columns;
  bool old_rows;
};
const std::vector<Table> tables = {
    {"posts", {"id"}, {"id", "title", "email", "we\"ird"}, true},
    {"comments", {"post", "n"}, {"post", "id", "n", "body"}, true},
    {"users", {"name"}, {"name", "email"}, false},
};
const Lines custom_names = {"posts", "users", "notifications", "party"};

const Table* find_table(const std::string& name) {
  for (const auto& table : tables) {
    if (table.name == name) return &table;
  }
  return nullptr;
}

bool contains(const Lines& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

struct RuleSpec {
  bool open = false;
  Lines hide{};
  bool old = false;
  bool full = false;
};
struct PolicySpec {
  bool all = false;
  std::map<std::string, RuleSpec> listed;

  const RuleSpec* find(const std::string& name) const {
    const auto found = listed.find(name);
    return found == listed.end() ? nullptr : &found->second;
  }
  bool shows(const std::string& collection, const std::string& column) const {
    const RuleSpec* rule = find(collection);
    return rule == nullptr || !contains(rule->hide, column);
  }
  bool knows(const std::string& name) const {
    return find(name) != nullptr || find_table(name) != nullptr;
  }
};

struct MadeEvent {
  Action action = Action::create;
  bool everyone = false;
  std::string collection;
  std::string record_id;
  Members before;  // of a delete on a table without old rows: the key
  Members after;   // custom events: the data, where `value` is empty
  std::string value;
  std::string cursor;
};

std::string object(const Members& members) {
  std::string text;
  for (const auto& [name, value] : members) {
    text += (text.empty() ? "" : ",") + json_string(name) + ":" + value;
  }
  return "{" + text + "}";
}

std::string joined(const Lines& texts) {
  std::string text;
  for (const auto& each : texts) text += (text.empty() ? "" : ",") + json_string(each);
  return text;
}

// ---- the model -----------------------------------------------------------------------------

struct ModelSubscription {
  std::string pattern;
  Lines events;  // empty: all
};
struct ModelConnection {
  bool anonymous = true;
  std::vector<ModelSubscription> held{};
  bool heard = false;
  std::uint64_t told = 0;
};

class Model {
 public:
  explicit Model(std::size_t event_bytes) : event_bytes_(event_bytes) {}

  PolicySpec policy;

  Lines connection_gets(const ModelConnection& connection, const std::vector<MadeEvent>& events) {
    Lines lines;
    for (const auto& event : events) {
      for (auto& line : frames_of(connection, event)) lines.push_back(std::move(line));
    }
    return lines;
  }

  // Empty: allowed. Else the refusal's code.
  std::string refusal(bool anonymous, const std::string& pattern) const {
    bool allowed = policy.all;
    bool unknown = false;
    if (pattern != "*") {
      const std::string collection = pattern.substr(0, pattern.find('.'));
      const RuleSpec* rule = policy.find(collection);
      allowed = rule != nullptr && rule->open;
      unknown = !policy.knows(collection) && policy.all;
    }
    if (allowed) return "";
    if (anonymous) return "unauthenticated";
    return unknown ? "unknown_collection" : "permission_denied";
  }

 private:
  static bool matches(const std::string& pattern, const MadeEvent& event) {
    if (pattern == "*" || pattern == event.collection + ".*") return true;
    if (event.action == Action::custom) return false;
    const bool whole = event.action == Action::truncate || event.action == Action::schema_changed;
    if (whole) return pattern.starts_with(event.collection + ".");
    return pattern == event.collection + "." + event.record_id;
  }

  Lines matching(const ModelConnection& connection, const MadeEvent& event) const {
    std::vector<std::pair<int, std::string>> found;
    for (const auto& [pattern, events] : connection.held) {
      const bool wanted = events.empty() || event.action == Action::schema_changed ||
                          contains(events, std::string(to_string(event.action)));
      if (!wanted || !matches(pattern, event)) continue;
      const int rank = pattern == "*" ? 0 : pattern == event.collection + ".*" ? 1 : 2;
      found.emplace_back(rank, pattern);
    }
    std::sort(found.begin(), found.end());
    Lines patterns;
    for (auto& [rank, pattern] : found) patterns.push_back(std::move(pattern));
    return patterns;
  }

  Lines frames_of(const ModelConnection& connection, const MadeEvent& event) const {
    if (event.everyone) return {custom_frame("null", event)};
    const Lines patterns = matching(connection, event);
    const bool unlisted_custom =
        event.action == Action::custom && policy.find(event.collection) == nullptr;
    if (patterns.empty() || (!policy.knows(event.collection) && !unlisted_custom)) return {};
    if (event.action == Action::custom) {
      const RuleSpec* rule = policy.find(event.collection);
      if (rule != nullptr && !rule->hide.empty() && !event.value.empty()) return {};
      return {custom_frame(json_string(event.collection), event)};
    }
    if (event.action == Action::schema_changed) {
      Lines notices;
      for (const auto& pattern : patterns) {
        notices.push_back(resync_message(pattern, ResyncReason::schema_changed));
      }
      return notices;
    }
    const Lines changed = changed_columns(event);
    if (compares(event) && changed.empty()) return {};
    return {fitting_frame(event, changed, patterns)};
  }

  static bool compares(const MadeEvent& event) {
    return event.action == Action::update && !event.before.empty();
  }
  Lines changed_columns(const MadeEvent& event) const {
    Lines changed;
    if (!compares(event)) return changed;
    for (const auto& member : event.after) {
      const bool same =
          std::find(event.before.begin(), event.before.end(), member) != event.before.end();
      if (!same && policy.shows(event.collection, member.first)) changed.push_back(member.first);
    }
    return changed;
  }
  Members visible(const MadeEvent& event, const Members& row) const {
    Members members;
    for (const auto& member : row) {
      if (policy.shows(event.collection, member.first)) members.push_back(member);
    }
    return members;
  }
  static bool fits(const std::string& payload, std::size_t bytes) {
    std::string frame;
    append_text_frame(frame, payload);
    return frame.size() <= bytes;
  }
  std::string custom_frame(const std::string& collection, const MadeEvent& event) const {
    const auto with = [&](const std::string& value) {
      return R"({"type":"custom_event","collection":)" + collection + R"(,"data":)" + value +
             R"(,"timestamp":")" + World::timestamp + R"(","cursor":")" + event.cursor + "\"}";
    };
    Members seen = event.after;
    if (!event.everyone) seen = visible(event, event.after);
    const std::string whole = with(event.value.empty() ? object(seen) : event.value);
    return fits(whole, event_bytes_) ? whole : with("null,\"truncated\":true");
  }

  std::string key_of(const MadeEvent& event) const {
    Members members;
    const Members& row = event.action == Action::delete_ ? event.before : event.after;
    for (const auto& column : find_table(event.collection)->key) {
      for (const auto& member : row) {
        if (member.first == column) members.push_back(member);
      }
    }
    return object(with_id(members, event));
  }
  static Members with_id(Members members, const MadeEvent& event) {
    if (contains(find_table(event.collection)->columns, "id")) return members;
    members.emplace_back("id", json_string(event.record_id));
    return members;
  }
  std::string whole_record(const MadeEvent& event) const {
    const RuleSpec* rule = policy.find(event.collection);
    if (event.action == Action::truncate) return "null";
    if (event.action != Action::delete_) return object(visible(event, event.after));
    if (rule == nullptr || !rule->full) return key_of(event);
    return object(with_id(visible(event, event.before), event));
  }
  std::string fitting_frame(const MadeEvent& event, const Lines& changed,
                            const Lines& patterns) const {
    const auto with = [&](const std::string& middle) {
      const bool truncate = event.action == Action::truncate;
      return R"({"type":"record_event","collection":")" + event.collection + R"(","action":")" +
             std::string(to_string(event.action)) + R"(","record":)" + middle +
             R"(,"timestamp":")" + World::timestamp + R"(","record_id":)" +
             (truncate ? "null" : json_string(event.record_id)) + R"(,"patterns":[)" +
             joined(patterns) + R"(],"cursor":")" + event.cursor + "\"}";
    };
    const RuleSpec* rule = policy.find(event.collection);
    const std::string names = changed.empty() ? "" : ",\"changed\":[" + joined(changed) + "]";
    const std::string old = rule != nullptr && rule->old && compares(event)
                                ? ",\"old\":" + object(visible(event, event.before))
                                : "";
    const std::string whole = with(whole_record(event) + names + old);
    if (fits(whole, event_bytes_) || event.action == Action::truncate) return whole;
    const std::string shorter = with(key_of(event) + names + ",\"truncated\":true");
    if (fits(shorter, event_bytes_)) return shorter;
    return with(key_of(event) + ",\"truncated\":true");
  }

  std::size_t event_bytes_;
};

// ---- random traffic ------------------------------------------------------------------------

class Traffic {
 public:
  explicit Traffic(unsigned seed)
      : random_(seed),
        event_bytes_(below(2) == 0 ? 1'000'000 : 150 + below(400)),
        model_(event_bytes_),
        world_(make_policy_of(model_.policy = make_spec()),
               {.limits = {.subscriptions_per_connection = limit_,
                           .requests_per_second = 0,
                           .event_bytes = event_bytes_,
                           .stretch_bytes = below(2) == 0 ? 1'000'000 : 1 + below(2'000)}}) {}

  void step() {
    const std::size_t dice = below(100);
    if (dice < 10) {
      open();
    } else if (dice < 13) {
      close();
    } else if (dice < 40) {
      subscribe();
    } else if (dice < 48) {
      unsubscribe();
    } else if (dice < 52) {
      replace_policy();
    } else if (dice < 58) {
      beat();
    } else {
      deliver();
    }
    check_counts();
  }

 private:
  using Open = std::map<ConnectionNumber, ModelConnection>;
  static constexpr std::size_t limit_ = 4;

  std::size_t below(std::size_t bound) { return random_() % bound; }
  bool chance(std::size_t one_in) { return below(one_in) == 0; }
  template <class List>
  const auto& any(const List& list) {
    return list[below(list.size())];
  }

  PolicySpec make_spec() {
    PolicySpec spec;
    spec.all = !chance(4);
    for (const auto& table : tables) {
      if (chance(4)) continue;
      RuleSpec rule{.open = !chance(5)};
      if (table.old_rows && chance(2)) {
        for (const auto& column : table.columns) {
          if (!contains(table.key, column) && chance(3)) rule.hide.push_back(column);
        }
      }
      rule.old = table.old_rows && chance(3);
      rule.full = table.old_rows && chance(3);
      spec.listed[table.name] = rule;
    }
    if (!chance(3)) spec.listed["notifications"] = {.open = true, .hide = {}};
    if (spec.find("notifications") != nullptr && chance(3)) {
      spec.listed["notifications"].hide = {"email"};
    }
    return spec;
  }
  static std::shared_ptr<const Policy> make_policy_of(const PolicySpec& spec) {
    std::vector<Collection> watched;
    std::int32_t id = 0;
    for (const auto& table : tables) {
      watched.push_back({.id = ++id,
                         .name = table.name,
                         .table = "public." + table.name,
                         .key = table.key,
                         .columns = table.columns,
                         .old_rows = table.old_rows});
    }
    std::vector<CollectionRule> listed;
    for (const auto& [name, rule] : spec.listed) {
      CollectionRule made = public_rule(name);
      if (!rule.open) made.subscribe = {};
      for (const std::string& column : rule.hide) made.hide.push_back({.name = column});
      made.old = rule.old;
      made.deleted_record_full = rule.full;
      listed.push_back(made);
    }
    const auto policy = make_policy(listed, watched, spec.all);
    REQUIRE(policy->problems() == Lines{});
    return policy;
  }

  // Few values, so that patterns meet events; some need escapes.
  std::string record_id() { return any(Lines{"1", "2", "a\"b", "*x", "!", "7,ä", ".."}); }
  std::string value() {
    return any(Lines{"1", "1.0", "1.00", "null", "\"text\"", R"("\u0041\\")", "[1, {\"a\":2}]",
                     "18446744073709551617", "\"" + std::string(300, 'l') + "\"", "{}"});
  }
  std::string pattern() {
    if (chance(6)) return "*";
    const std::string collection = chance(8) ? any(custom_names) : any(tables).name;
    return collection + "." + (chance(2) ? "*" : record_id());
  }
  Members row_of(const Table& table) {
    Members row;
    for (const auto& column : table.columns) row.emplace_back(column, value());
    return row;
  }

  MadeEvent make_event() {
    MadeEvent event;
    if (chance(5)) {
      event.action = Action::custom;
      event.everyone = chance(4);
      if (!event.everyone) event.collection = any(custom_names);
      if (chance(3)) {
        event.value = value();
        if (event.value == "{}") event.value = "0";
      } else {
        event.after = {{"email", value()}, {"message", value()}};
      }
      return event;
    }
    const Table& table = any(tables);
    event.collection = table.name;
    event.action = static_cast<Action>(any(std::vector<int>{0, 0, 1, 1, 1, 1, 2, 2, 3, 5}));
    if (event.action == Action::truncate || event.action == Action::schema_changed) return event;
    event.record_id = record_id();
    if (event.action != Action::delete_) event.after = row_of(table);
    if (event.action == Action::delete_) event.before = row_of(table);
    if (event.action == Action::update && table.old_rows) {
      event.before = event.after;
      for (auto& member : event.before) {
        if (chance(4)) member.second = value();
      }
    }
    if (event.action == Action::delete_ && !table.old_rows) {
      std::erase_if(event.before,
                    [&](const auto& member) { return !contains(table.key, member.first); });
    }
    return event;
  }

  void open() {
    const bool anonymous = chance(2);
    const auto number = world_.open(anonymous ? std::optional<Principal>{} : Principal{"u", {"r"}});
    REQUIRE(world_.taken(number).size() == 1);
    open_[number] = {.anonymous = anonymous, .told = moves_};
  }
  ConnectionNumber any_open() {
    return std::next(open_.begin(), static_cast<long>(below(open_.size())))->first;
  }
  void close() {
    if (open_.empty()) return;
    const auto number = any_open();
    world_.broker.close(number);
    open_.erase(number);
  }

  void subscribe() {
    if (open_.empty()) return;
    const auto number = any_open();
    std::string items;
    Lines expected;
    for (std::size_t i = below(3) + 1; i > 0; --i) {
      ModelSubscription item{pattern(), {}};
      if (chance(3)) {
        for (const char* action : {"create", "update", "delete", "truncate", "custom"}) {
          if (chance(2)) item.events.push_back(action);
        }
      }
      if (!items.empty()) items += ',';
      items += R"({"pattern":)" + json_string(item.pattern);
      if (!item.events.empty()) items += R"(,"events":[)" + joined(item.events) + "]";
      items += '}';
      expected.push_back(model_subscribe(open_[number], item));
    }
    const auto lines =
        world_.ask(number, R"({"type":"subscribe","subscriptions":[)" + items + "]}");
    REQUIRE(lines.size() == expected.size());
    for (std::size_t i = 0; i < lines.size(); ++i) REQUIRE(lines[i].starts_with(expected[i]));
  }
  // How the reply begins.
  std::string model_subscribe(ModelConnection& connection, const ModelSubscription& item) {
    const auto refused = [](const std::string& code) {
      return R"({"type":"error","code":")" + code + "\"";
    };
    const std::string refusal = model_.refusal(connection.anonymous, item.pattern);
    if (!refusal.empty()) return refused(refusal);
    const auto held = std::find_if(connection.held.begin(), connection.held.end(),
                                   [&](const auto& each) { return each.pattern == item.pattern; });
    if (held != connection.held.end()) {
      *held = item;
    } else if (connection.held.size() == limit_) {
      return refused("subscription_limit");
    } else {
      connection.held.push_back(item);
    }
    connection.told = moves_;
    return subscribed_message({}, item.pattern, to_string(world_.broker.position()));
  }

  void unsubscribe() {
    if (open_.empty()) return;
    const auto number = any_open();
    auto& held = open_[number].held;
    std::string gone = held.empty() || chance(3) ? pattern() : any(held).pattern;
    const auto removed =
        std::erase_if(held, [&](const auto& each) { return gone == "*" || each.pattern == gone; });
    REQUIRE(world_.ask(number, R"({"type":"unsubscribe","pattern":)" + json_string(gone) + "}") ==
            Lines{unsubscribed_message({}, gone, removed)});
  }

  void replace_policy() {
    const PolicySpec before = std::exchange(model_.policy, make_spec());
    world_.take(world_.broker.replace_policy(make_policy_of(model_.policy)));
    for (auto& [number, connection] : open_) {
      Lines expected;
      std::vector<ModelSubscription> kept;
      for (const auto& held : connection.held) {
        const std::string code = model_.refusal(connection.anonymous, held.pattern);
        if (!code.empty()) {
          expected.push_back(R"({"type":"error","code":")" + code + "\"");
          continue;
        }
        kept.push_back(held);
        if (sees_differently(before, held.pattern)) {
          expected.push_back(resync_message(held.pattern, ResyncReason::permissions_changed));
        }
      }
      connection.held = kept;
      const Lines lines = world_.taken(number);
      REQUIRE(lines.size() == expected.size());
      for (std::size_t i = 0; i < lines.size(); ++i) REQUIRE(lines[i].starts_with(expected[i]));
    }
  }
  bool sees_differently(const PolicySpec& before, const std::string& pattern) const {
    const auto hidden = [](const PolicySpec& spec, const std::string& name) {
      const RuleSpec* rule = spec.find(name);
      return rule == nullptr ? Lines{} : rule->hide;
    };
    if (pattern != "*") {
      const std::string name = pattern.substr(0, pattern.find('.'));
      return hidden(before, name) != hidden(model_.policy, name);
    }
    for (const Lines& names : {Lines{"posts", "comments", "users"}, Lines{"notifications"}}) {
      for (const auto& name : names) {
        if (!before.knows(name) || !model_.policy.knows(name)) continue;
        if (hidden(before, name) != hidden(model_.policy, name)) return true;
      }
    }
    return false;
  }

  void beat() {
    if (open_.empty()) return;
    const auto number = any_open();
    auto& connection = open_[number];
    Lines expected;
    if (!connection.heard && connection.told != moves_) {
      expected = {position_message(to_string(world_.broker.position()))};
      connection.told = moves_;
    }
    connection.heard = false;
    REQUIRE(payloads(world_.broker.position_frame(number)) == expected);
  }

  void deliver() {
    std::vector<MadeEvent> made(below(8));
    std::vector<Event> events;
    for (auto& event : made) {
      event = make_event();
      Event logged{.action = event.action,
                   .to_everyone = event.everyone,
                   .collection = event.collection,
                   .record_id = event.record_id};
      if (!event.value.empty()) logged.new_row = event.value;
      if (!event.after.empty()) logged.new_row = object(event.after);
      if (!event.before.empty()) logged.old_row = object(event.before);
      events.push_back(logged);
    }
    const Batch batch = world_.batch(std::move(events));
    for (std::size_t i = 0; i < made.size(); ++i) {
      made[i].cursor = to_string(batch.cursor_after(batch.events[i]));
    }
    ++moves_;
    world_.deliver(batch);
    for (auto& [number, connection] : open_) {
      const ConnectionNumber receiver = number;
      CAPTURE(receiver);
      const Lines expected = model_.connection_gets(connection, made);
      REQUIRE(world_.taken(number) == expected);
      if (!expected.empty()) connection.heard = true;
      delivered_ += expected.size();
    }
  }

  void check_counts() {
    std::size_t subscriptions = 0;
    for (const auto& [number, connection] : open_) {
      subscriptions += connection.held.size();
      Lines patterns;
      for (const auto& held : connection.held) patterns.push_back(held.pattern);
      REQUIRE(world_.patterns(number) == patterns);
    }
    REQUIRE(world_.broker.connection_count() == open_.size());
    REQUIRE(world_.broker.subscription_count() == subscriptions);
    REQUIRE(world_.broker.counters().deliveries == delivered_);
  }

  std::mt19937 random_;
  std::size_t event_bytes_;
  Model model_;
  World world_;
  Open open_;
  std::uint64_t moves_ = 1;
  std::uint64_t delivered_ = 0;
};

}  // namespace

TEST_CASE("broker: under random traffic every stream equals a brute-force model's to the byte") {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Traffic traffic(seed);
    for (int i = 0; i < 150; ++i) traffic.step();
  }
}
