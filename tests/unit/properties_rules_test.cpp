#include <doctest/doctest.h>

#include <algorithm>
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

std::shared_ptr<const Catalog> watched_catalog(
    const std::map<std::string, leak::Table>& watched_tables,
    const std::set<std::string>& unwatched = {}) {
  static const leak::Names ids = {"", "notes", "posts", "users"};
  std::vector<Collection> watched;
  for (const auto& [name, table] : watched_tables) {
    const auto id = std::find(ids.begin(), ids.end(), name) - ids.begin();
    Collection made{.id = static_cast<std::int32_t>(id),
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
  std::vector<std::string> others;
  for (const std::string& name : unwatched) others.push_back("public." + name);
  return std::make_shared<Catalog>(std::move(watched), std::move(others));
}

std::shared_ptr<const Rules> parsed_rules(const leak::Rules& rules) {
  const std::string text = leak::print(rules);
  auto result = parse_rules(text, "rules.yaml");
  if (const auto* faults = std::get_if<1>(&result)) FAIL(to_string("rules", *faults), text);
  return std::make_shared<const Rules>(std::get<0>(std::move(result)));
}

class LeakWorld {
 public:
  explicit LeakWorld(unsigned seed)
      : dice_(seed), cells_(dice_, marks_), deeds_(dice_, cells_) {
    for (leak::Table& table : leak::make_tables(dice_)) tables_[table.name] = table;
    law_ = {leak::RuleMaker(dice_).make(tables_), tables_};
    law_.bind();
    rules_ = parsed_rules(law_.rules);
    policy_ = Policy::bind(rules_, watched_catalog(tables_), nullptr);
    const BrokerOptions options{
        .limits = {.requests_per_second = 0, .event_bytes = event_bytes_},
        .verify_token = [this](std::string_view, std::string_view) -> Result<Identity> {
          return identity_;
        }};
    broker_ = std::make_unique<Broker>(options, policy_, Cursor{9, 0, 0});
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
      if (dice_.one_in(3)) {
        turn_watching();
      } else {
        alter_table();
      }
    } else if (dice == 9) {
      authenticate(member());
    } else {
      deliver();
    }
  }

  leak::Wishes wishes() { return {dice_, law_, tables_}; }

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

  Lines ask(ConnectionNumber number, const std::string& text) {
    return payloads(broker_->receive(number, text, now_).frames);
  }

  void subscribe(Members::value_type& who) {
    auto& [number, member] = who;
    const leak::Held item = wishes().any(member.user);
    const std::string code = leak::refusal(law_, member.user, item.pattern);
    const bool fits = !item.filter || (code.empty() && leak::filter_fits(law_, member.user,
                                                                         item.pattern,
                                                                         *item.filter));
    const Lines lines = ask(number, leak::request_of(item));
    INFO("request: ", leak::request_of(item));
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
    REQUIRE(lines[0] == subscribed_message({}, item.pattern, to_string(broker_->position())));
    for (leak::Held& held : member.held) {
      if (held.pattern == item.pattern) {
        held = item;
        return;
      }
    }
    member.held.push_back(item);
  }

  static void rename(leak::Expr& e, const std::string& from, const std::string& to) {
    const bool named = e.op == leak::Op::column || e.op == leak::Op::has_column;
    if (named && e.name == from) e.name = to;
    for (leak::Expr& kid : e.kids) rename(kid, from, to);
  }
  // A hidden column is refused in the words that an unknown one is.
  void check_silence(ConnectionNumber number, const leak::Held& item) {
    const leak::Names names = leak::columns_of(*item.filter);
    for (const std::string& name : names) {
      leak::Held alone = item;
      alone.filter = leak::with(leak::Op::equals,
                                {leak::column(name), leak::constant(leak::null_value(true))});
      if (leak::filter_fits(law_, members_[number].user, item.pattern, *alone.filter)) continue;
      std::string said = ask(number, leak::request_of(alone)).at(0);
      const std::string unknown = name.substr(0, name.size() - 1) + "q";
      rename(*alone.filter, name, unknown);
      const std::string named = "'" + name + "'";
      if (const std::size_t at = said.find(named); at != std::string::npos) {
        said.replace(at, named.size(), "'" + unknown + "'");
      }
      REQUIRE(said == ask(number, leak::request_of(alone)).at(0));
    }
  }

  void unsubscribe(Members::value_type& who) {
    auto& [number, member] = who;
    const bool held = !member.held.empty() && !dice_.one_in(4);
    const std::string gone = held ? dice_.any(member.held).pattern : wishes().pattern();
    const auto removed = std::erase_if(
        member.held, [&](const auto& each) { return gone == "*" || each.pattern == gone; });
    REQUIRE(ask(number, R"({"type":"unsubscribe","pattern":)" + leak::quoted_json(gone) + "}") ==
            Lines{unsubscribed_message({}, gone, removed)});
  }

  // The connection gets another user.
  void authenticate(Members::value_type& who) {
    auto& [number, member] = who;
    const leak::User before = member.user;
    do {
      member.user = leak::make_user(dice_);
    } while (member.user.anonymous);
    identity_ = {*principal_of(member.user), std::nullopt};
    Lines heard = ask(number, R"({"type":"auth","token":"t"})");
    REQUIRE(heard.at(0).starts_with(R"({"type":"authenticated",)"));
    heard.erase(heard.begin());
    check_notices({law_, before}, member, heard);
  }

  // ---- the world changes ----
  void load_rules() {
    const leak::Law before = law_;
    law_.rules = leak::RuleMaker(dice_).alter(law_.rules, tables_);
    law_.tables = watched();
    law_.unwatched = unwatched_;
    law_.known.clear();
    law_.bind();
    rules_ = parsed_rules(law_.rules);
    replace(before, Policy::bind(rules_, watched_catalog(law_.tables, unwatched_), nullptr));
  }
  std::map<std::string, leak::Table> watched() const {
    auto watched = tables_;
    for (const std::string& name : unwatched_) watched.erase(name);
    return watched;
  }
  // A table is watched no longer, or again; it may have changed meanwhile.
  void turn_watching() {
    leak::Table& table = any_table();
    if (unwatched_.erase(table.name) == 0) unwatched_.insert(table.name);
    look_at_tables();
    if (!unwatched_.contains(table.name) || dice_.one_in(3)) return;
    alter(table);
    unwatched_.erase(table.name);
    look_at_tables();
  }
  void look_at_tables() {
    const leak::Law before = law_;
    law_.tables = watched();
    law_.unwatched = unwatched_;
    law_.bind();
    replace(before, Policy::bind(rules_, watched_catalog(law_.tables, unwatched_), policy_.get()));
  }
  leak::Table& any_table() {
    return std::next(tables_.begin(), static_cast<long>(dice_.below(tables_.size())))->second;
  }
  void alter_table() {
    alter(any_table());
    if (!dice_.one_in(3)) look_at_tables();  // else rows of the new shape come before it is known
  }
  // The rows keep the values of the columns that stay.
  void alter(leak::Table& table) {
    const std::vector<leak::Column> plain = leak::plain_columns(table);
    const std::size_t dice = dice_.below(3);
    if (dice == 0 || plain.empty()) {
      const std::string added = "x" + std::to_string(++added_);
      table.columns.push_back({added, leak::Kind::text});
      for (auto& [id, row] : table.rows) row.push_back({added, cells_.marked()});
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
  }

  void replace(const leak::Law& before, std::shared_ptr<const Policy> policy) {
    policy_ = std::move(policy);
    check_openness();
    std::map<ConnectionNumber, Lines> heard;
    for (const auto& notice : broker_->replace_policy(policy_)) {
      heard[notice.connection] = payloads(notice.frames);
    }
    for (auto& [number, member] : members_) {
      check_notices({before, member.user}, member, heard[number]);
    }
  }
  void check_openness() {
    for (const auto& listed : law_.rules.listed) {
      const std::string& name = listed.first;
      INFO("collection ", name, " ", leak::joined(policy_->problems()));
      REQUIRE((policy_->projection(name, "") != nullptr) == law_.is_open(name));
    }
  }
  void check_notices(const leak::Side& before, Member& member, const Lines& heard) {
    INFO("user ", leak::to_json(before.user.value()), " then ",
         leak::to_json(member.user.value()), told(member), "\nbefore\n",
         leak::print(before.law.rules), "after\n", leak::print(law_.rules));
    const leak::Turn turn{before, {law_, member.user}, tables_};
    REQUIRE(leak::check_turn(turn, member.held, heard) == "");
  }

  // ---- traffic ----
  void change_rows(std::vector<Change>& made, leak::Table& table) {
    const leak::Fields row = deeds_.row_of(table);
    const std::string id = leak::record_id_of(table.key, row);
    if (!table.rows.contains(id)) return leak::Deeds::put(made, table, row);
    if (dice_.one_in(4)) return leak::Deeds::remove(made, table, id);
    if (!dice_.one_in(8)) return leak::Deeds::put(made, table, deeds_.altered(table, id));
    const leak::Fields moved = deeds_.moved(table, id);
    if (table.rows.contains(leak::record_id_of(table.key, moved))) return;
    leak::Deeds::remove(made, table, id);
    leak::Deeds::put(made, table, moved);
  }

  std::vector<Change> make_changes() {
    std::vector<Change> made;
    for (std::size_t i = dice_.below(8); i > 0; --i) {
      if (dice_.one_in(5)) {
        leak::Names names = {"notices", "party", "rumours"};
        for (const auto& [name, table] : tables_) names.push_back(name);
        made.push_back(deeds_.custom_event(names));
        continue;
      }
      leak::Table& table = any_table();
      if (unwatched_.contains(table.name)) continue;
      if (dice_.one_in(25)) {
        table.rows.clear();
        made.push_back({.act = Act::truncate, .collection = table.name});
      } else if (dice_.one_in(30)) {
        made.push_back({.act = Act::schema_changed, .collection = table.name});
      } else {
        change_rows(made, table);
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
    Batch batch{.epoch = 9, .tick = ++tick_, .nonce = 5};
    for (Change& change : made) {
      batch.events.push_back(event_of(change));
      batch.events.back().id = ++event_id_;
      change.cursor = to_string(batch.cursor_after(batch.events.back()));
    }
    std::map<ConnectionNumber, Lines> got;
    broker_->deliver(batch, [&](const Delivery& delivery) {
      got[delivery.connection] = payloads(delivery.run->frames);
    });
    for (auto& [number, member] : members_) check_stream(member, made, got[number]);
  }
  void check_stream(Member& member, const std::vector<Change>& made, const Lines& got) {
    const leak::Viewer viewer(law_, member.user, member.held, event_bytes_);
    Lines expected;
    std::set<std::string> estranged;
    for (Change change : made) {
      if (leak::is_strange(law_, change)) {  // the first of a batch is a notice, others are nothing
        if (!estranged.insert(change.collection).second) continue;
        change = {.act = Act::schema_changed, .collection = change.collection};
      }
      member.entitled.merge(viewer.entitled(change));
      for (std::string& frame : viewer.frames(change)) expected.push_back(std::move(frame));
    }
    INFO("rules\n", leak::print(law_.rules), "user ", leak::to_json(member.user.value()),
         "\nholds ", told(member));
    REQUIRE(lines_of(got) == lines_of(expected));
    for (const std::string& frame : got) {
      for (const int mark : leak::marks_in(frame)) {
        INFO("marker ", mark, " in ", frame);
        REQUIRE(member.entitled.contains(mark));
      }
    }
  }
  static std::string lines_of(const Lines& frames) {
    std::string text;
    for (const std::string& frame : frames) text += frame + "\n";
    return text;
  }
  static std::string told(const Member& member) {
    std::string text;
    for (const leak::Held& held : member.held) text += "\n  " + leak::request_of(held);
    return text;
  }

  leak::Dice dice_;
  const std::size_t event_bytes_ = dice_.one_in(3) ? 200 + dice_.below(300)
                                                   : leak::usual_event_bytes;
  int marks_ = 0;
  leak::Cells cells_;
  leak::Deeds deeds_;
  std::map<std::string, leak::Table> tables_{};  // as they are now
  std::set<std::string> unwatched_{};            // of these
  leak::Law law_{};                              // as the broker knows them
  std::shared_ptr<const Rules> rules_{};
  std::shared_ptr<const Policy> policy_{};
  std::unique_ptr<Broker> broker_{};
  Members members_{};
  Identity identity_{};  // whose the next token is
  Broker::Clock::time_point now_{1'000'000s};
  std::uint64_t tick_ = 0;
  std::uint64_t event_id_ = 0;
  int added_ = 0;
};

}  // namespace

TEST_CASE("rules: in random worlds everyone gets what a model of the contract says, and no more") {
  const int first = leak::number_from("PGTIDE_SEED", 1);
#ifdef PGTIDE_SANITIZE
  const int usual = 130;
#else
  const int usual = 600;  // the rarest fault that was ever put in on purpose took 488
#endif
  const int worlds = leak::number_from("PGTIDE_WORLDS", usual);
  for (int seed = first; seed < first + worlds; ++seed) {
    CAPTURE(seed);
    LeakWorld(static_cast<unsigned>(seed)).live(25);
  }
}
