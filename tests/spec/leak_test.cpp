#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "auth/token_maker.hpp"
#include "support/leak_world.hpp"
#include "support/running_bridge.hpp"

// Who may see what, over the real thing: statements in PostgreSQL, rules loaded by a bridge, users
// with tokens, and the bytes that their sockets bring, against the model of support/leak_model.hpp.
//
// A world is its seed. PGTIDE_WORLDS is how many are tried, PGTIDE_SEED where they begin.
using namespace pgtide;
using namespace pgtide::test;
using namespace std::chrono_literals;

namespace {

using Frames = std::vector<std::string>;

Config::Auth leak_auth() {
  Config::Auth auth;
  auth.jwt.secret = "the leak tests' secret of 32 bytes or more";
  return auth;
}

std::string token_for(const leak::User& user) {
  TokenWish wish{.user = user.id, .roles = user.roles, .now = std::chrono::system_clock::now()};
  wish.expires_at = wish.now + 1h;
  for (const auto& [name, value] : user.claims) {
    wish.claims.emplace_back(name, leak::to_json(value));
  }
  const auto token = make_token(leak_auth(), wish);
  REQUIRE(token.ok());
  return *token;
}

const char* sql_type(leak::Kind kind) {
  switch (kind) {
    case leak::Kind::number: return "bigint";
    case leak::Kind::price: return "numeric";
    case leak::Kind::text: return "text";
    case leak::Kind::flag: return "boolean";
    case leak::Kind::moment: return "timestamptz";
    case leak::Kind::tags: return "text[]";
    case leak::Kind::doc: return "jsonb";
  }
  return "";
}

std::string sql_text(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + "'";
}

std::string sql_value(const leak::Value& value, leak::Kind kind) {
  const std::string type = std::string("::") + sql_type(kind);
  if (value.is(leak::Value::Kind::null)) return "null" + type;
  switch (kind) {
    case leak::Kind::text:
    case leak::Kind::moment: return sql_text(value.text) + type;
    case leak::Kind::tags: {
      std::string items;
      for (const leak::Value& item : value.items) {
        items += (items.empty() ? "" : ",") + sql_value(item, leak::Kind::text);
      }
      return "array[" + items + "]" + type;
    }
    default: return sql_text(leak::to_json(value)) + type;
  }
}

std::vector<leak::Table> leak_tables() {
  std::vector<leak::Table> made = {
      {.name = "posts", .key = {"id"}, .columns = {{"id", leak::Kind::number}}},
      {.name = "notes",
       .key = {"a", "b"},
       .columns = {{"a", leak::Kind::text}, {"b", leak::Kind::number}}},
      {.name = "users", .key = {"name"}, .columns = {{"name", leak::Kind::text}}}};
  for (leak::Table& table : made) {
    for (const leak::Column& column : leak::value_columns()) table.columns.push_back(column);
  }
  made[2].old_rows = false;
  return made;
}

std::string columns_sql(const leak::Table& table, bool typed) {
  std::string out;
  for (const leak::Column& column : table.columns) {
    out += (out.empty() ? "" : ", ") + column.name;
    if (typed) out += std::string(" ") + sql_type(column.kind);
  }
  return out;
}

BridgeSetup leak_setup() {
  std::string sql;
  for (const leak::Table& table : leak_tables()) {
    sql += "create table " + table.name + " (" + columns_sql(table, true) + ", primary key (" +
           leak::joined(table.key) + ")); select pgtide.watch('" + table.name + "'" +
           (table.old_rows ? "" : ", old_rows => false") + ");";
  }
  return {.sql = sql, .rules = "version: 1\n", .adjust = [](Config& config) {
            config.auth = leak_auth();
            config.limits.requests_per_second = 0;
            config.limits.frames_per_second = 100'000;
          }};
}

bool is_event(const std::string& frame) {
  return frame.starts_with(R"({"type":"record_event",)") ||
         frame.starts_with(R"({"type":"custom_event",)");
}

// Without what differs from run to run.
std::string plain_frame(std::string frame) {
  const auto put = [&](const std::string& member, const std::string& value) {
    const std::size_t at = frame.rfind(member);
    if (at == std::string::npos) return;
    const std::size_t start = at + member.size();
    frame.replace(start, frame.find('"', start) - start, value);
  };
  put(R"("timestamp":")", "@");
  put(R"("cursor":")", "");
  return frame;
}

// By what the order of two frames means: one record's changes come in order.
using Streams = std::map<std::string, Frames>;
Streams by_record(const Frames& frames) {
  Streams streams;
  for (const std::string& frame : frames) {
    const std::size_t at = frame.find(R"(","record_id":)");
    const std::size_t end = frame.find(R"(,"patterns":)");
    const std::string collection = frame.substr(0, frame.find(R"(","action")"));
    const bool record = at != std::string::npos && end != std::string::npos;
    streams[record ? collection + frame.substr(at, end - at) : ""].push_back(frame);
  }
  return streams;
}

struct Reader {
  leak::User user{};
  std::unique_ptr<WireClient> client{};
  std::vector<leak::Held> held{};
  std::set<int> entitled{};
};

class LiveWorld {
 public:
  LiveWorld(RunningBridge& bridge, int& marks, unsigned seed)
      : bridge_(bridge), dice_(seed), cells_(dice_, marks), deeds_(dice_, cells_) {
    std::string sql;
    for (const leak::Table& table : leak_tables()) {
      tables_[table.name] = table;
      sql += "truncate " + table.name + ";";
    }
    bridge_.run(sql);
    law_ = {leak::RuleMaker(dice_).make(tables_), tables_, {}};
    law_.bind();
    load();
    readers_.resize(2 + dice_.below(3));
    for (Reader& reader : readers_) connect(reader);
    hear();  // what was committed before
  }

  void live(int steps) {
    for (int i = 0; i < steps; ++i) {
      const std::size_t dice = dice_.below(10);
      if (dice == 0) {
        change_rules();
      } else if (dice == 1) {
        authenticate(readers_[dice_.below(readers_.size())]);
      } else {
        change_rows();
      }
    }
  }

 private:
  void load() {
    bridge_.write_rules(leak::print(law_.rules));
    const auto loaded = bridge_.bridge().reload_rules();
    if (!loaded) FAIL(loaded.error().to_string(), leak::print(law_.rules));
  }
  void connect(Reader& reader) {
    reader.user = leak::make_user(dice_);
    Frames headers;
    if (!reader.user.anonymous) {
      headers.push_back("Authorization: Bearer " + token_for(reader.user));
    }
    reader.client =
        std::make_unique<WireClient>(bridge_.address(), "/realtime/subscribe", headers);
    reader.client->next();  // connected
    for (std::size_t i = 1 + dice_.below(4); i > 0; --i) subscribe(reader);
  }
  void subscribe(Reader& reader) {
    const leak::Held item = leak::Wishes(dice_, law_, tables_).any(reader.user);
    std::string code = leak::refusal(law_, reader.user, item.pattern);
    const bool misfit = code.empty() && item.filter &&
                        !leak::filter_fits(law_, reader.user, item.pattern, *item.filter);
    if (misfit) code = "invalid_filter";
    reader.client->send(leak::request_of(item));
    std::string reply = reader.client->next();
    while (is_event(reply)) reply = reader.client->next();  // of the time before
    INFO("request ", leak::request_of(item), " reply ", reply);
    REQUIRE(reply.starts_with(code.empty() ? R"({"type":"subscribed",)"
                                           : R"({"type":"error","code":")" + code + "\""));
    if (!code.empty()) return;
    const auto held = std::find_if(reader.held.begin(), reader.held.end(),
                                   [&](const auto& each) { return each.pattern == item.pattern; });
    if (held == reader.held.end()) {
      reader.held.push_back(item);
    } else {
      *held = item;
    }
  }

  // What each reader gets of all that is committed by now.
  std::vector<Frames> hear() {
    static int barriers = 0;
    const std::string mark = R"("data":{"barrier":-)" + std::to_string(++barriers) + "}";
    bridge_.run("select pgtide_api.broadcast_all('" + mark.substr(7) + "')");
    std::vector<Frames> heard(readers_.size());
    for (std::size_t i = 0; i < readers_.size(); ++i) {
      for (;;) {
        std::string frame = readers_[i].client->next();
        if (frame.find(mark) != std::string::npos) break;
        if (!is_barrier(frame)) heard[i].push_back(plain_frame(std::move(frame)));
      }
    }
    return heard;
  }

  void change_rules() {
    const leak::Law before = law_;
    law_.rules = leak::RuleMaker(dice_).alter(law_.rules, tables_);
    law_.known.clear();
    law_.bind();
    load();
    const std::vector<Frames> heard = hear();
    for (std::size_t i = 0; i < readers_.size(); ++i) {
      const leak::User& user = readers_[i].user;
      check_turn({{before, user}, {law_, user}, tables_}, readers_[i], heard[i]);
    }
  }
  void authenticate(Reader& reader) {
    const leak::User before = reader.user;
    do {
      reader.user = leak::make_user(dice_);
    } while (reader.user.anonymous);
    reader.client->send(R"({"type":"auth","token":")" + token_for(reader.user) + "\"}");
    std::string reply = reader.client->next();
    while (is_event(reply)) reply = reader.client->next();
    REQUIRE(reply.starts_with(R"({"type":"authenticated",)"));
    const std::vector<Frames> heard = hear();
    for (std::size_t i = 0; i < readers_.size(); ++i) {
      if (&readers_[i] != &reader) REQUIRE(heard[i] == Frames{});
      if (&readers_[i] != &reader) continue;
      check_turn({{law_, before}, {law_, reader.user}, tables_}, reader, heard[i]);
    }
  }
  void check_turn(const leak::Turn& turn, Reader& reader, const Frames& heard) {
    INFO("user ", leak::to_json(turn.before.user.value()), " then ",
         leak::to_json(reader.user.value()), told(reader), "\nbefore\n",
         leak::print(turn.before.law.rules), "after\n", leak::print(law_.rules), "heard ", heard);
    REQUIRE(leak::check_turn(turn, reader.held, heard) == "");
  }

  // ---- statements ----
  static std::string values_of(const leak::Table& table, const leak::Fields& row) {
    std::string out;
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += (i == 0 ? "" : ", ") + sql_value(row[i].cell.value, table.columns[i].kind);
    }
    return "(" + out + ")";
  }
  static std::string key_is(const leak::Table& table, const leak::Fields& row) {
    std::string out;
    for (std::size_t i = 0; i < table.key.size(); ++i) {
      out += (i == 0 ? "" : " and ") + table.key[i] + " = " +
             sql_value(row[i].cell.value, table.columns[i].kind);
    }
    return out;
  }

  // Several new rows in one statement.
  std::string insert(leak::Table& table) {
    std::string values;
    for (std::size_t i = 1 + dice_.below(3); i > 0; --i) {
      const leak::Fields row = deeds_.row_of(table);
      if (table.rows.contains(leak::record_id_of(table.key, row))) continue;
      leak::Deeds::put(log_, table, row);
      values += (values.empty() ? "" : ", ") + values_of(table, row);
    }
    return values.empty() ? "" : "insert into " + table.name + " values " + values;
  }
  // Several rows in one statement, each in its own way.
  std::string update_by_key(leak::Table& table) {
    std::string values;
    for (const std::string& id : ids_of(table)) {
      if (!dice_.one_in(2)) continue;
      const leak::Fields row = deeds_.altered(table, id);
      if (!table.old_rows && leak::to_json(row) == leak::to_json(table.rows.at(id))) continue;
      leak::Deeds::put(log_, table, row);
      values += (values.empty() ? "" : ", ") + values_of(table, row);
    }
    if (values.empty()) return "";
    std::string set, where;
    for (const leak::Column& column : table.columns) {
      const bool key = leak::contains(table.key, column.name);
      std::string& part = key ? where : set;
      part += (part.empty() ? "" : key ? " and " : ", ");
      part += (key ? "t." : "") + column.name + " = v." + column.name;
    }
    return "update " + table.name + " t set " + set + " from (values " + values + ") v(" +
           columns_sql(table, false) + ") where " + where;
  }
  // Those whose owner is this one: they get another, and are opened or shut.
  std::string update_by_predicate(leak::Table& table) {
    const auto owner = static_cast<std::int64_t>(dice_.below(4));
    const auto fresh = static_cast<std::int64_t>(dice_.below(4));
    for (const std::string& id : ids_of(table)) {
      leak::Fields row = table.rows.at(id);
      leak::Cell& owned = field_of(row, "owner").cell;
      if (owned.value.text != std::to_string(owner)) continue;
      owned = {leak::number_value(fresh)};
      leak::Cell& opened = field_of(row, "opened").cell;
      opened.value = leak::boolean(!opened.value.is_true());
      leak::Deeds::put(log_, table, row);
    }
    return "update " + table.name + " set owner = " + std::to_string(fresh) +
           ", opened = not coalesce(opened, false) where owner = " + std::to_string(owner);
  }
  std::string remove(leak::Table& table) {
    const auto owner = static_cast<std::int64_t>(dice_.below(4));
    for (const std::string& id : ids_of(table)) {
      const auto& value = field_of(table.rows.at(id), "owner").cell.value;
      if (value.text == std::to_string(owner)) leak::Deeds::remove(log_, table, id);
    }
    return "delete from " + table.name + " where owner = " + std::to_string(owner);
  }
  std::string move(leak::Table& table) {
    if (table.rows.empty()) return "";
    const std::string id = dice_.any(ids_of(table));
    const leak::Fields before = table.rows.at(id);
    const leak::Fields after = deeds_.moved(table, id);
    if (table.rows.contains(leak::record_id_of(table.key, after))) return "";
    leak::Deeds::remove(log_, table, id);
    leak::Deeds::put(log_, table, after);
    std::string set;
    for (std::size_t i = 0; i < table.key.size(); ++i) {
      set += (i == 0 ? "" : ", ") + table.key[i] + " = " +
             sql_value(after[i].cell.value, table.columns[i].kind);
    }
    return "update " + table.name + " set " + set + " where " + key_is(table, before);
  }
  std::string truncate(leak::Table& table) {
    table.rows.clear();
    log_.push_back({.act = leak::Act::truncate, .collection = table.name});
    return "truncate " + table.name;
  }
  std::string broadcast() {
    const leak::Change change =
        deeds_.custom_event({"notices", "party", "rumours", "posts", "notes", "users"});
    log_.push_back(change);
    const std::string value =
        change.scalar ? leak::to_json(change.scalar->value) : leak::to_json(change.after);
    if (change.everyone) return "select pgtide_api.broadcast_all(" + sql_text(value) + ")";
    return "select pgtide_api.broadcast('" + change.collection + "', " + sql_text(value) + ")";
  }
  std::string statement() {
    leak::Table& table =
        std::next(tables_.begin(), static_cast<long>(dice_.below(tables_.size())))->second;
    switch (dice_.below(16)) {
      case 0: return truncate(table);
      case 1:
      case 2: return broadcast();
      case 3:
      case 4: return remove(table);
      case 5:
      case 6: return move(table);
      case 7:
      case 8: return update_by_predicate(table);
      case 9:
      case 10:
      case 11: return update_by_key(table);
      default: return insert(table);
    }
  }
  static leak::Fields::value_type& field_of(leak::Fields& row, const std::string& name) {
    return *std::find_if(row.begin(), row.end(),
                         [&](const leak::Field& each) { return each.name == name; });
  }
  static Frames ids_of(const leak::Table& table) {
    Frames ids;
    for (const auto& [id, row] : table.rows) ids.push_back(id);
    return ids;
  }

  // Some statements, taken back or not: the log has what stays.
  std::string some_statements(bool undone) {
    const auto tables = tables_;
    const auto log = log_;
    std::string sql;
    for (std::size_t i = 1 + dice_.below(3); i > 0; --i) {
      const std::string one = statement();
      if (!one.empty()) sql += one + ";\n";
    }
    if (undone) tables_ = tables;
    if (undone) log_ = log;
    return sql;
  }
  void change_rows() {
    log_.clear();
    const bool undone = dice_.one_in(8);
    const auto tables = tables_;
    std::string sql = "begin;\n" + some_statements(false);
    if (dice_.one_in(3)) {
      const bool back = dice_.one_in(2);
      sql += "savepoint s;\n" + some_statements(back) + (back ? "rollback to s;\n" : "");
    }
    if (undone) tables_ = tables;
    if (undone) log_.clear();
    INFO("statements\n", sql);
    bridge_.run(sql + (undone ? "rollback" : "commit"));
    const std::vector<Frames> heard = hear();
    for (std::size_t i = 0; i < readers_.size(); ++i) check_stream(readers_[i], heard[i]);
  }

  void check_stream(Reader& reader, const Frames& heard) {
    const leak::Viewer viewer(law_, reader.user, reader.held);
    Frames expected;
    for (const leak::Change& change : log_) {
      reader.entitled.merge(viewer.entitled(change));
      for (std::string& frame : viewer.frames(change)) expected.push_back(std::move(frame));
    }
    INFO("rules\n", leak::print(law_.rules), "user ", leak::to_json(reader.user.value()),
         "\nholds ", told(reader), "\nheard ", heard, "\nexpected ", expected);
    REQUIRE(by_record(heard) == by_record(expected));
    for (const std::string& frame : heard) {
      for (const int mark : leak::marks_in(frame)) {
        INFO("marker ", mark, " in ", frame);
        REQUIRE(reader.entitled.contains(mark));
      }
    }
  }
  static std::string told(const Reader& reader) {
    std::string text;
    for (const leak::Held& held : reader.held) text += "\n  " + leak::request_of(held);
    return text;
  }

  RunningBridge& bridge_;
  leak::Dice dice_;
  leak::Cells cells_;
  leak::Deeds deeds_;
  std::map<std::string, leak::Table> tables_{};
  leak::Law law_{};
  std::vector<leak::Change> log_{};  // of the latest transaction
  std::vector<Reader> readers_{};
};

// ---- rules that flip under writers ---------------------------------------------------------

// Two rules that share no row and no secret: of a frame one can tell which of them made it.
struct Flip {
  std::string owner;   // whose rows it shows
  std::string hidden;  // the column that it hides
  std::string text() const {
    return "version: 1\nall: public\ncollections:\n  docs:\n    subscribe: public\n"
           "    where: \"record.owner == " + owner + "\"\n    hide: [" + hidden +
           "]\n    old: true\n";
  }
};
const Flip flips[] = {{"1", "secret"}, {"2", "title"}};

// A change as "*" has seen it, which no `where` narrows.
struct Seen {
  std::string owner_before{};  // empty: there was no row
  std::string owner_after{};   // empty: there is no row
};

struct Timeline {
  std::vector<Seen> changes{};
  std::map<std::string, std::size_t> places{};  // by cursor
};

// A stream in the parts that its notices cut it into; the first belongs to flips[0].
std::vector<Frames> parts_of(const Frames& frames) {
  std::vector<Frames> parts(1);
  for (const std::string& frame : frames) {
    if (member(frame, "type") == "resync_required") {
      REQUIRE(member(frame, "reason") == "permissions_changed");
      parts.emplace_back();
    } else {
      parts.back().push_back(frame);
    }
  }
  return parts;
}

Timeline timeline_of(const Frames& frames) {
  Timeline timeline;
  std::map<std::string, std::string> owners;
  for (const std::string& frame : frames) {
    if (member(frame, "type") != "record_event") continue;
    std::string& owner = owners[member(frame, "record_id")];
    Seen seen{.owner_before = owner};
    if (member(frame, "action") != "delete") {
      seen.owner_after = member(member(frame, "record"), "owner");
    }
    owner = seen.owner_after;
    timeline.places[member(frame, "cursor")] = timeline.changes.size();
    timeline.changes.push_back(seen);
  }
  return timeline;
}

// What a rule makes of a change; empty: nothing.
std::string action_under(const Flip& flip, const Seen& seen) {
  const bool before = seen.owner_before == flip.owner, after = seen.owner_after == flip.owner;
  if (before && after) return "update";
  return after ? "create" : before ? "delete" : "";
}

void check_columns(const Frames& part, const Flip& flip) {
  for (const std::string& frame : part) {
    INFO(flip.text(), frame);
    REQUIRE(frame.find(flip.hidden) == std::string::npos);
    REQUIRE(frame.find(flip.hidden.substr(0, 1) + "-marker") == std::string::npos);
  }
}

// Each part is what its rule makes of a piece of the timeline, and the pieces have no gap between
// them: there is a place to cut at which neither rule owes a frame.
void check_parts(const std::vector<Frames>& parts, const Timeline& timeline) {
  std::size_t at = 0;  // up to here everything is explained
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Flip& flip = flips[i % 2];
    const Flip& before = flips[(i + 1) % 2];
    check_columns(parts[i], flip);
    // Where nothing came of the rule before, more than two may have had a hand in the gap.
    const bool adjoins = i == 0 || !parts[i - 1].empty();
    bool cut = i == 0;  // are we past what the rule before had to explain?
    for (const std::string& frame : parts[i]) {
      const std::size_t place = timeline.places.at(member(frame, "cursor"));
      INFO("part ", i, " ", frame);
      REQUIRE(place >= at);
      for (; at < place; ++at) {
        const bool owed = !action_under(flip, timeline.changes[at]).empty();
        cut = cut || (adjoins && !action_under(before, timeline.changes[at]).empty());
        REQUIRE_FALSE((owed && cut));
      }
      REQUIRE(member(frame, "action") == action_under(flip, timeline.changes[at++]));
      cut = true;
    }
  }
  if (parts.back().empty()) return;
  for (; at < timeline.changes.size(); ++at) {
    REQUIRE(action_under(flips[(parts.size() - 1) % 2], timeline.changes[at]) == "");
  }
}

void write_docs(const std::string& url, int writer, int rounds) {
  Session session(url);
  for (int i = 0; i < rounds; ++i) {
    const std::string id = std::to_string(writer * 100 + i % 7);
    const std::string owner = std::to_string(1 + (i * 7 / 3 + writer) % 2);
    const std::string mark = std::to_string(writer * 100'000 + i);
    const std::string row = "(" + id + ", " + owner + ", 't-marker" + mark + "', 's-marker" +
                            mark + "')";
    const bool removes = i % 11 == 10;
    session.attempt(removes ? "delete from docs where id = " + id
                            : "insert into docs values " + row +
                                  " on conflict (id) do update set owner = excluded.owner, "
                                  "title = excluded.title, secret = excluded.secret");
  }
}

}  // namespace

TEST_CASE("leak: in random worlds every socket brings what its user may learn, and no more") {
  RunningBridge bridge(leak_setup());
  int marks = 0;
  const int first = leak::number_from("PGTIDE_SEED", 1);
  const int worlds = leak::number_from("PGTIDE_WORLDS", 20);
  for (int seed = first; seed < first + worlds; ++seed) {
    CAPTURE(seed);
    LiveWorld(bridge, marks, static_cast<unsigned>(seed)).live(6);
  }
}

TEST_CASE("leak: rules that flip under writers decide each event by one of them, never by a mix") {
  RunningBridge bridge({.sql = "create table docs (id int primary key, owner int, title text, "
                               "secret text); select pgtide.watch('docs');",
                        .rules = flips[0].text()});
  Subscriber everything = bridge.connect({"*"});
  std::vector<Subscriber> readers;
  for (int i = 0; i < 4; ++i) readers.push_back(bridge.connect({"docs.*"}));
  std::vector<std::thread> writers;
  for (int i = 0; i < 3; ++i) writers.emplace_back(write_docs, bridge.database.url(), i, 500);
  const std::size_t reloads = 60;
  bool loaded = true;
  Frames first;  // between two reloads some events pass
  for (std::size_t i = 1; i <= reloads; ++i) {
    bridge.write_rules(flips[i % 2].text());
    loaded = loaded && bridge.bridge().reload_rules().ok();
    for (std::string& frame : bridge.raw_heard(readers[0])) first.push_back(std::move(frame));
  }
  for (std::thread& writer : writers) writer.join();
  REQUIRE(loaded);
  for (std::string& frame : bridge.raw_heard(readers[0])) first.push_back(std::move(frame));
  const Frames all = bridge.raw_heard(everything);
  const Timeline timeline = timeline_of(all);
  REQUIRE(timeline.changes.size() > 1'000);
  const std::vector<Frames> whole = parts_of(all);
  REQUIRE(whole.size() == reloads + 1);
  for (std::size_t i = 0; i < whole.size(); ++i) check_columns(whole[i], flips[i % 2]);
  for (std::size_t i = 0; i < readers.size(); ++i) {
    const std::vector<Frames> parts = parts_of(i == 0 ? first : bridge.raw_heard(readers[i]));
    REQUIRE(parts.size() == reloads + 1);
    check_parts(parts, timeline);
  }
}
