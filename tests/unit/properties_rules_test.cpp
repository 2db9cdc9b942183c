#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker_fixture.hpp"
#include "config/rules_file.hpp"
#include "model/server_message.hpp"
#include "support/leak_world.hpp"

// Broker and Policy against the model of support/leak_model.hpp: random rules, users, filters, rows
// and changes, and rules and tables that change in between. Every connection's stream must be what
// the model says, to the byte, and must hold no marker of a value that it was not entitled to.
//
// A world is its seed. PGTIDE_WORLDS is how many are tried, PGTIDE_SEED where they begin.
using namespace pgtide;
using namespace pgtide::test;

namespace {

using leak::Act;
using leak::Change;

struct Member {
  leak::User user{};
  std::vector<leak::Held> held{};
  std::set<int> entitled{};
};

std::optional<Principal> principal_of(const leak::User& user) {
  if (user.anonymous) return std::nullopt;
  return Principal{user.id, user.roles, leak::to_json(leak::map_value(user.claims))};
}

ColumnType leak_type(leak::Kind kind) {
  switch (kind) {
    case leak::Kind::number: return {ColumnKind::number, ColumnKind::json, "bigint"};
    case leak::Kind::price: return {ColumnKind::number, ColumnKind::json, "numeric"};
    case leak::Kind::text: return {ColumnKind::text, ColumnKind::json, "text"};
    case leak::Kind::flag: return {ColumnKind::boolean, ColumnKind::json, "boolean"};
    case leak::Kind::moment:
      return {ColumnKind::timestamp, ColumnKind::json, "timestamp with time zone"};
    case leak::Kind::tags: return {ColumnKind::list, ColumnKind::text, "text[]"};
    case leak::Kind::doc: return {ColumnKind::json, ColumnKind::json, "jsonb"};
  }
  return {};
}

std::shared_ptr<const Catalog> watched_catalog(const std::map<std::string, leak::Table>& watched_tables) {
  std::vector<Collection> watched;
  std::int32_t id = 0;
  for (const auto& [name, table] : watched_tables) {
    Collection made{.id = ++id,
                    .name = name,
                    .table = "public." + name,
                    .key = table.key,
                    .old_rows = table.old_rows};
    for (const leak::Column& column : table.columns) {
      made.columns.push_back(column.name);
      made.types.push_back(leak_type(column.kind));
    }
    watched.push_back(made);
  }
  return std::make_shared<Catalog>(std::move(watched), std::vector<std::string>{});
}

std::shared_ptr<const Rules> loaded(const leak::Rules& rules) {
  const std::string text = leak::print(rules);
  auto result = parse_rules(text, "rules.yaml");
  if (const auto* faults = std::get_if<1>(&result)) FAIL(to_string("rules", *faults), text);
  return std::make_shared<const Rules>(std::get<0>(std::move(result)));
}

class LeakWorld {
 public:
  explicit LeakWorld(unsigned seed) : dice_(seed), cells_(dice_, marks_) {
    for (leak::Table& table : leak::make_tables(dice_)) tables_[table.name] = table;
    law_ = {leak::RuleMaker(dice_).make(tables_), tables_};
    law_.bind();
    rules_ = loaded(law_.rules);
    policy_ = Policy::bind(rules_, watched_catalog(tables_), nullptr);
    broker_ = std::make_unique<Broker>(BrokerOptions{.limits = {.requests_per_second = 0}},
                                       policy_, Cursor{9, 0, 0});
  }

  void live(int steps) {
    check_openness();
    for (int i = 0; i < 3; ++i) open();
    for (int i = 0; i < steps; ++i) step();
  }

 private:
  using Members = std::map<ConnectionNumber, Member>;

  void step() {
    const std::size_t dice = dice_.below(20);
    if (dice == 0) {
      open();
    } else if (dice == 1) {
      close();
    } else if (dice < 6) {
      subscribe(member());
    } else if (dice == 6) {
      unsubscribe(member());
    } else if (dice == 7) {
      load_rules();
    } else if (dice == 8) {
      alter_table();
    } else {
      deliver();
    }
  }

  // ---- connections ----
  Members::value_type& member() {
    return *std::next(members_.begin(), static_cast<long>(dice_.below(members_.size())));
  }
  void open() {
    Member member{.user = leak::make_user(dice_)};
    const auto opened = broker_->open({.id = "c", .user = principal_of(member.user)}, now_);
    auto& made = *members_.insert_or_assign(opened.number, std::move(member)).first;
    for (std::size_t i = dice_.below(5); i > 0; --i) subscribe(made);
  }
  void close() {
    if (members_.size() == 1) return;
    const ConnectionNumber number = member().first;
    broker_->close(number);
    members_.erase(number);
  }

  std::string record_id() {
    if (dice_.one_in(2)) return dice_.any_of({"0", "1", "2", "3", "open"});
    const std::string id = dice_.any_of(leak::words);
    return dice_.one_in(3) ? id : id + "," + std::to_string(dice_.below(3));
  }
  std::string pattern() {
    if (dice_.one_in(5)) return "*";
    leak::Names names = {"notices"};
    for (const auto& [name, table] : tables_) names.insert(names.end(), 3, name);
    const std::string name = dice_.one_in(20) ? "ghosts" : dice_.any_of(names);
    if (dice_.one_in(2)) return name + ".*";
    const auto table = tables_.find(name);
    if (table == tables_.end() || table->second.rows.empty()) return name + "." + record_id();
    return name + "." + dice_.any(table->second.rows).first;
  }
  leak::Names events() {
    leak::Names chosen;
    if (!dice_.one_in(5)) return chosen;
    for (const char* word : {"create", "update", "delete", "truncate", "custom"}) {
      if (dice_.one_in(2)) chosen.push_back(word);
    }
    return chosen;
  }
  // A filter over what he sees there, or now and then over what he may not.
  leak::Expr filter(const leak::User& user, const std::string& pattern) {
    const std::string name = leak::collection_of(pattern);
    const auto table = tables_.find(name);
    std::vector<leak::Column> columns =
        table != tables_.end() ? table->second.columns : leak::value_columns();
    if (dice_.one_in(12)) columns.push_back({"xyzzy", leak::Kind::text});
    const leak::Sight sight = leak::sight_of(law_, user, name);
    const bool any = dice_.one_in(6);
    std::erase_if(columns, [&](const leak::Column& column) {
      const bool seen = table != tables_.end() ? sight.shows(column.name)
                                               : sight.shows_in_custom(column.name);
      return !any && !seen;
    });
    return leak::Expressions(dice_, {columns, false}).any(2);
  }

  static std::string request(const leak::Held& item) {
    std::string text = R"({"type":"subscribe","pattern":)" + leak::quoted_json(item.pattern);
    if (!item.events.empty()) text += R"(,"events":[)" + leak::joined(item.events) + "]";
    if (item.filter) text += R"(,"filter":)" + leak::quoted_json(leak::print(*item.filter));
    return text + "}";
  }
  Lines ask(ConnectionNumber number, const std::string& text) {
    return payloads(broker_->receive(number, text, now_).frames);
  }

  void subscribe(Members::value_type& who) {
    auto& [number, member] = who;
    leak::Held item{pattern(), events(), {}};
    if (dice_.one_in(2)) item.filter = filter(member.user, item.pattern);
    const std::string code = leak::refusal(law_, member.user, item.pattern);
    const bool fits = !item.filter || (code.empty() && leak::filter_fits(law_, member.user,
                                                                         item.pattern,
                                                                         *item.filter));
    const Lines lines = ask(number, request(item));
    INFO("request: ", request(item));
    REQUIRE(lines.size() == 1);
    if (!code.empty()) {
      REQUIRE(lines[0].starts_with(R"({"type":"error","code":")" + code + "\""));
      return;
    }
    if (!fits) {
      REQUIRE(lines[0].starts_with(R"({"type":"error","code":"invalid_filter")"));
      check_silence(number, item);
      return;
    }
    REQUIRE(lines[0] == subscribed_message({}, item.pattern, broker_->position()));
    for (leak::Held& held : member.held) {
      if (held.pattern == item.pattern) {
        held = item;
        return;
      }
    }
    member.held.push_back(item);
  }

  static void rename(leak::Expr& e, const std::string& from, const std::string& to) {
    if (e.op == leak::Op::column && e.name == from) e.name = to;
    for (leak::Expr& kid : e.kids) rename(kid, from, to);
  }
  // A hidden column is refused in the words that an unknown one is.
  void check_silence(ConnectionNumber number, const leak::Held& item) {
    const leak::Names names = leak::columns_of(*item.filter);
    if (item.pattern == "*") return;
    for (const std::string& name : names) {
      leak::Held alone = item;
      alone.filter = leak::with(leak::Op::equals,
                                {leak::column(name), leak::constant(leak::null_value(true))});
      if (leak::filter_fits(law_, members_[number].user, item.pattern, *alone.filter)) continue;
      std::string said = ask(number, request(alone)).at(0);
      const std::string unknown = name.substr(0, name.size() - 1) + "q";
      rename(*alone.filter, name, unknown);
      const std::string named = R"(\")" + name + R"(\")";
      if (const std::size_t at = said.find(named); at != std::string::npos) {
        said.replace(at, named.size(), R"(\")" + unknown + R"(\")");
      }
      REQUIRE(said == ask(number, request(alone)).at(0));
    }
  }

  void unsubscribe(Members::value_type& who) {
    auto& [number, member] = who;
    const bool held = !member.held.empty() && !dice_.one_in(4);
    const std::string gone = held ? dice_.any(member.held).pattern : pattern();
    const auto removed = std::erase_if(
        member.held, [&](const auto& each) { return gone == "*" || each.pattern == gone; });
    REQUIRE(ask(number, R"({"type":"unsubscribe","pattern":)" + leak::quoted_json(gone) + "}") ==
            Lines{unsubscribed_message({}, gone, removed)});
  }

  // ---- the world changes ----
  void load_rules() {
    const leak::Law before = law_;
    const leak::Rules fresh = leak::RuleMaker(dice_).make(tables_);
    // Sometimes but one collection's rules are others.
    if (dice_.one_in(2) || fresh.listed.empty()) {
      law_.rules = fresh;
    } else {
      const auto one = dice_.any(fresh.listed);
      law_.rules.listed[one.first] = one.second;
    }
    law_.tables = tables_;
    law_.known.clear();
    law_.bind();
    rules_ = loaded(law_.rules);
    replace(before, Policy::bind(rules_, watched_catalog(tables_), nullptr));
  }
  // The rows keep the values of the columns that stay.
  void alter_table() {
    auto& [name, table] = *std::next(tables_.begin(), static_cast<long>(dice_.below(tables_.size())));
    const std::vector<leak::Column> plain = leak::plain_columns(table);
    const std::size_t dice = dice_.below(3);
    if (dice == 0 || plain.empty()) {
      table.columns.push_back({"x" + std::to_string(++added_), leak::Kind::text});
      for (auto& [id, row] : table.rows) row.push_back({table.columns.back().name, cells_.marked()});
    } else {
      const std::string gone = dice_.any(plain).name;
      const std::string fresh = dice == 1 ? "" : "x" + std::to_string(++added_);
      for (leak::Column& column : table.columns) {
        if (column.name == gone) column.name = fresh;
      }
      std::erase_if(table.columns, [](const leak::Column& column) { return column.name.empty(); });
      for (auto& [id, row] : table.rows) {
        for (leak::Field& field : row) {
          if (field.name == gone) field.name = fresh;
        }
        std::erase_if(row, [](const leak::Field& field) { return field.name.empty(); });
      }
    }
    if (dice_.one_in(3)) return;  // rows of the new shape come before it is known
    const leak::Law before = law_;
    law_.tables = tables_;
    law_.bind();
    replace(before, Policy::bind(rules_, watched_catalog(tables_), policy_.get()));
  }

  void replace(const leak::Law& before, std::shared_ptr<const Policy> policy) {
    policy_ = std::move(policy);
    check_openness();
    std::map<ConnectionNumber, Lines> heard;
    for (const auto& notice : broker_->replace_policy(policy_)) {
      heard[notice.connection] = payloads(notice.frames);
    }
    for (auto& [number, member] : members_) check_notices(before, member, heard[number]);
  }
  void check_openness() {
    for (const auto& [name, rule] : law_.rules.listed) {
      INFO("collection ", name, " ", leak::joined(policy_->problems()));
      REQUIRE((policy_->projection(name, "") != nullptr) == law_.is_open(name));
    }
  }
  void check_notices(const leak::Law& before, Member& member, const Lines& heard) {
    std::vector<leak::Held> kept;
    std::size_t at = 0;
    for (const leak::Held& held : member.held) {
      INFO("pattern ", held.pattern);
      std::string code = leak::refusal(law_, member.user, held.pattern);
      if (code.empty() && held.filter &&
          !leak::filter_fits(law_, member.user, held.pattern, *held.filter)) {
        code = "invalid_filter";
      }
      const std::string of = "\"pattern\":" + leak::quoted_json(held.pattern);
      const std::string next = at < heard.size() ? heard[at] : "";
      const bool about_it = next.find(of + ",") != std::string::npos ||
                            next.find(of + "}") != std::string::npos;
      if (!code.empty()) {
        REQUIRE(about_it);
        REQUIRE(next.starts_with(R"({"type":"error","code":")" + code + "\""));
        ++at;
        continue;
      }
      kept.push_back(held);
      const leak::Resync wanted = resync_of(before, member, held.pattern);
      if (wanted == leak::Resync::must) REQUIRE(about_it);
      if (wanted == leak::Resync::must_not) REQUIRE_FALSE(about_it);
      if (!about_it) continue;
      REQUIRE(next == resync_message(held.pattern, ResyncReason::permissions_changed));
      ++at;
    }
    REQUIRE(at == heard.size());
    member.held = std::move(kept);
  }
  leak::Resync resync_of(const leak::Law& before, const Member& member,
                         const std::string& pattern) {
    const leak::Turn turn{before, law_, tables_};
    return leak::resync_of(turn, member.user, pattern);
  }

  // ---- traffic ----
  leak::Fields row_of(const leak::Table& table) {
    leak::Fields row;
    for (const leak::Column& column : table.columns) {
      leak::Cell cell = cells_.any(column.kind);
      if (leak::contains(table.key, column.name)) {
        const auto small = static_cast<std::int64_t>(dice_.below(4));
        const bool number = column.kind == leak::Kind::number;
        cell = {number ? leak::number_value(small)
                       : leak::text_value(dice_.any_of({"open", "a,b", "\\"}))};
      }
      row.push_back({column.name, cell});
    }
    return row;
  }
  // The changes of the latest kind of deed: one, or none, or two for a changed key.
  void change_rows(std::vector<Change>& made, const std::string& name, leak::Table& table) {
    const leak::Fields row = row_of(table);
    const std::string id = leak::record_id_of(table.key, row);
    const bool there = table.rows.contains(id);
    if (!there) {
      table.rows[id] = row;
      made.push_back({.act = Act::create, .collection = name, .record_id = id, .after = row});
      return;
    }
    const leak::Fields before = table.rows[id];
    if (dice_.one_in(4)) return remove(made, name, table, id);
    leak::Fields after = before;
    for (std::size_t i = 0; i < after.size(); ++i) {
      const bool key = leak::contains(table.key, after[i].name);
      if (!key && dice_.one_in(3)) after[i] = row[i];
    }
    if (dice_.one_in(8)) return move(made, name, table, id);
    table.rows[id] = after;
    Change change{.act = Act::update, .collection = name, .record_id = id, .after = after};
    if (table.old_rows) change.before = before;
    made.push_back(change);
  }
  void remove(std::vector<Change>& made, const std::string& name, leak::Table& table,
              const std::string& id) {
    Change change{.act = Act::remove, .collection = name, .record_id = id};
    change.before = table.rows[id];
    if (!table.old_rows) {
      std::erase_if(change.before, [&](const leak::Field& field) {
        return !leak::contains(table.key, field.name);
      });
    }
    table.rows.erase(id);
    made.push_back(change);
  }
  // The row gets another key: it is deleted, and created.
  void move(std::vector<Change>& made, const std::string& name, leak::Table& table,
            const std::string& id) {
    leak::Fields row = table.rows[id];
    const leak::Fields other = row_of(table);
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (leak::contains(table.key, row[i].name)) row[i] = other[i];
    }
    const std::string moved = leak::record_id_of(table.key, row);
    if (table.rows.contains(moved)) return;
    remove(made, name, table, id);
    table.rows[moved] = row;
    made.push_back({.act = Act::create, .collection = name, .record_id = moved, .after = row});
  }

  Change custom_event() {
    Change change{.act = Act::custom, .everyone = dice_.one_in(6)};
    leak::Names names = {"notices", "party", "rumours"};
    for (const auto& [name, table] : tables_) names.push_back(name);
    if (!change.everyone) change.collection = dice_.any_of(names);
    if (dice_.one_in(4)) {
      change.scalar = dice_.one_in(2) ? cells_.marked() : leak::Cell{leak::list_value({})};
      return change;
    }
    for (const leak::Column& column : leak::value_columns()) {
      if (dice_.one_in(2)) change.after.push_back({column.name, cells_.any(column.kind)});
    }
    return change;
  }

  std::vector<Change> make_changes() {
    std::vector<Change> made;
    for (std::size_t i = dice_.below(8); i > 0; --i) {
      if (dice_.one_in(5)) {
        made.push_back(custom_event());
        continue;
      }
      auto& [name, table] =
          *std::next(tables_.begin(), static_cast<long>(dice_.below(tables_.size())));
      if (dice_.one_in(25)) {
        table.rows.clear();
        made.push_back({.act = Act::truncate, .collection = name});
      } else if (dice_.one_in(30)) {
        made.push_back({.act = Act::schema_changed, .collection = name});
      } else {
        change_rows(made, name, table);
      }
    }
    return made;
  }

  static Event event_of(const Change& change) {
    static const std::map<Act, Action> actions = {
        {Act::create, Action::create},     {Act::update, Action::update},
        {Act::remove, Action::delete_},    {Act::truncate, Action::truncate},
        {Act::custom, Action::custom},     {Act::schema_changed, Action::schema_changed}};
    Event event{.action = actions.at(change.act),
                .to_everyone = change.everyone,
                .collection = change.collection,
                .record_id = change.record_id,
                .timestamp = "@"};
    const bool has_new = change.act == Act::create || change.act == Act::update ||
                         (change.act == Act::custom && !change.scalar);
    if (has_new) event.new_row = leak::to_json(change.after);
    if (change.scalar) event.new_row = leak::to_json(change.scalar->value);
    if (!change.before.empty()) event.old_row = leak::to_json(change.before);
    return event;
  }

  void deliver() {
    std::vector<Change> made = make_changes();
    Batch batch{.catalog = watched_catalog(tables_), .epoch = 9, .tick = ++tick_, .nonce = 5};
    for (Change& change : made) {
      batch.events.push_back(event_of(change));
      batch.events.back().id = ++event_id_;
      change.cursor = to_string(batch.cursor_after(batch.events.back()));
    }
    std::map<ConnectionNumber, Lines> got;
    for (const Delivery& delivery : broker_->deliver(batch)) {
      got[delivery.connection] = payloads(delivery.run->frames);
    }
    for (auto& [number, member] : members_) check_stream(member, made, got[number]);
  }
  void check_stream(Member& member, const std::vector<Change>& made, const Lines& got) {
    const leak::Viewer viewer(law_, member.user, member.held);
    Lines expected;
    for (const Change& change : made) {
      member.entitled.merge(viewer.entitled(change));
      for (std::string& frame : viewer.frames(change)) expected.push_back(std::move(frame));
    }
    INFO("rules\n", leak::print(law_.rules), "user ", leak::to_json(member.user.value()),
         "\nholds ", told(member));
    REQUIRE(got == expected);
    for (const std::string& frame : got) {
      for (const int mark : leak::marks_in(frame)) {
        INFO("marker ", mark, " in ", frame);
        REQUIRE(member.entitled.contains(mark));
      }
    }
  }
  static std::string told(const Member& member) {
    std::string text;
    for (const leak::Held& held : member.held) text += "\n  " + request(held);
    return text;
  }

  leak::Dice dice_;
  int marks_ = 0;
  leak::Cells cells_;
  std::map<std::string, leak::Table> tables_{};  // as they are now
  leak::Law law_{};                              // as the broker knows them
  std::shared_ptr<const Rules> rules_{};
  std::shared_ptr<const Policy> policy_{};
  std::unique_ptr<Broker> broker_{};
  Members members_{};
  Broker::Clock::time_point now_{1'000'000s};
  std::uint64_t tick_ = 0;
  std::uint64_t event_id_ = 0;
  int added_ = 0;
};

int number_from(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::atoi(text) : otherwise;
}

}  // namespace

TEST_CASE("rules: in random worlds everyone gets what a model of the contract says, and no more") {
  const int first = number_from("PGTIDE_SEED", 1);
  const int worlds = number_from("PGTIDE_WORLDS", 100);
  for (int seed = first; seed < first + worlds; ++seed) {
    CAPTURE(seed);
    LeakWorld(static_cast<unsigned>(seed)).live(25);
  }
}
