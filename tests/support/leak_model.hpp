#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/leak_language.hpp"

// What each subscriber may learn, decided from the contract alone (PROTOCOL 2 to 4): one connection
// and one event at a time, with no index, no class, and no row's text looked into. The values of a
// row are known to it because it made them up.
//
// Nearly every value holds a marker that no other has, so that a look at the bytes of a stream
// tells which values it gave away, whatever shape its frames have.
namespace pgtide::test::leak {

// A column's value in one row.
struct Cell {
  Value value{};
  int mark = 0;  // in the printed value; 0: it has none
};
struct Field {
  std::string name{};
  Cell cell{};
  std::string spelled{};  // how its name is printed; empty: as JSON has it at its plainest
};
using Fields = std::vector<Field>;  // in the order in which they are printed

enum class Kind { number, price, text, flag, moment, tags, doc };

struct Column {
  std::string name{};
  Kind kind = Kind::text;
};
struct Table {
  std::string name{};
  Names key{};
  std::vector<Column> columns{};
  bool old_rows = true;
  std::map<std::string, Fields> rows{};  // by record id

  bool has(const std::string& column) const {
    return std::any_of(columns.begin(), columns.end(),
                       [&](const Column& each) { return each.name == column; });
  }
};

// Who asks; his value is null for nobody.
struct User {
  bool anonymous = true;
  std::string id{};
  Names roles{};
  std::map<std::string, Value> claims{};

  Value value() const {
    if (anonymous) return null_value();
    std::vector<Value> texts;
    for (const std::string& role : roles) texts.push_back(text_value(role));
    return map_value({{"id", text_value(id)},
                      {"roles", list_value(std::move(texts))},
                      {"claims", map_value(claims)}});
  }
};

// ---- rules ---------------------------------------------------------------------------------

struct Whom {
  enum class Kind { nobody, anyone, authenticated, by_rule };
  Kind kind = Kind::nobody;
  Expr rule{};

  bool admits(const User& user) const {
    if (kind == Kind::anyone) return true;
    if (kind == Kind::authenticated) return !user.anonymous;
    const Value value = user.value();
    return kind == Kind::by_rule && decide(rule, {&value, nullptr}).is_true();
  }
  std::string text() const {
    if (kind == Kind::anyone) return "public";
    return kind == Kind::authenticated ? "authenticated" : quoted_json(print(rule));
  }
};

struct Hidden {
  std::string name{};
  Whom seen_by{};
};

struct Rule {
  Whom subscribe{};
  std::optional<Expr> where{};
  std::vector<Hidden> hide{};
  bool hide_is_map = false;
  std::optional<Names> show{};
  bool full = false;
  bool old = false;

  bool narrows_columns() const { return !hide.empty() || show.has_value(); }
  bool needs_old_rows() const { return where || narrows_columns() || full || old; }
};

struct Rules {
  Whom all{};
  std::map<std::string, Rule> listed{};

  const Rule* find(const std::string& name) const {
    const auto found = listed.find(name);
    return found != listed.end() ? &found->second : nullptr;
  }
};

inline std::string print(const Rule& rule) {
  std::string out;
  if (rule.subscribe.kind != Whom::Kind::nobody) {
    out += "    subscribe: " + rule.subscribe.text() + "\n";
  }
  if (rule.where) out += "    where: " + quoted_json(print(*rule.where)) + "\n";
  if (!rule.hide.empty()) {
    std::string inside;
    for (const Hidden& hidden : rule.hide) {
      inside += (inside.empty() ? "" : ", ") + hidden.name;
      if (rule.hide_is_map) inside += ": " + hidden.seen_by.text();
    }
    out += "    hide: " + (rule.hide_is_map ? "{" + inside + "}" : "[" + inside + "]") + "\n";
  }
  if (rule.show) {
    std::string inside;
    for (const std::string& name : *rule.show) inside += (inside.empty() ? "" : ", ") + name;
    out += "    show: [" + inside + "]\n";
  }
  if (rule.full) out += "    deleted_record: full\n";
  if (rule.old) out += "    old: true\n";
  return out;
}

inline std::string print(const Rules& rules) {
  std::string out = "version: 1\n";
  if (rules.all.kind != Whom::Kind::nobody) out += "all: " + rules.all.text() + "\n";
  if (!rules.listed.empty()) out += "collections:\n";
  for (const auto& [name, rule] : rules.listed) {
    const std::string inside = print(rule);
    out += "  " + name + ":" + (inside.empty() ? " {}" : "") + "\n" + inside;
  }
  return out;
}

// Rules in force over tables as they are: what a Policy is for the product.
struct Law {
  Rules rules{};
  std::map<std::string, Table> tables{};  // their columns and keys; no rows
  std::map<std::string, Names> known{};   // columns, as of when the rules were loaded
  std::set<std::string> unwatched{};      // tables that are there

  const Table* find_table(const std::string& name) const {
    const auto found = tables.find(name);
    return found != tables.end() ? &found->second : nullptr;
  }
  // Is it listed, and does its rule hold against its table?
  bool is_open(const std::string& name) const {
    const Rule* rule = rules.find(name);
    const Table* table = find_table(name);
    if (rule == nullptr) return false;
    if (table == nullptr) return !unwatched.contains(name);  // custom events only
    if (!table->old_rows && rule->needs_old_rows()) return false;
    Names named;
    for (const Hidden& hidden : rule->hide) named.push_back(hidden.name);
    if (rule->show) named.insert(named.end(), rule->show->begin(), rule->show->end());
    if (rule->where) append_columns(named, *rule->where);
    return std::all_of(named.begin(), named.end(),
                       [&](const std::string& each) { return table->has(each); });
  }
  // The columns that are known are those of the time at which the rules first held.
  void bind() {
    for (const auto& [name, table] : tables) {
      if (!is_open(name) || known.contains(name)) continue;
      for (const Column& column : table.columns) known[name].push_back(column.name);
    }
  }
};

// ---- who sees what -------------------------------------------------------------------------

// How one user sees one collection.
struct Sight {
  bool closed = false;
  bool everything = true;  // neither hide nor show
  Names columns{};         // else
  bool lists_shown = false;
  Names named{};  // of custom events: shown, or hidden
  const Expr* where = nullptr;

  bool shows(const std::string& column) const { return everything || contains(columns, column); }
  bool shows_in_custom(const std::string& name) const {
    return contains(named, name) == lists_shown;
  }
};

inline Sight sight_of(const Law& law, const User& user, const std::string& collection) {
  Sight sight;
  const Rule* rule = law.rules.find(collection);
  const Table* table = law.find_table(collection);
  sight.closed = rule != nullptr ? !law.is_open(collection) : table == nullptr;
  if (rule == nullptr || sight.closed) return sight;
  sight.everything = !rule->narrows_columns();
  sight.where = rule->where ? &*rule->where : nullptr;
  sight.lists_shown = rule->show.has_value();
  if (rule->show) sight.named = *rule->show;
  if (rule->show && table != nullptr) {
    sight.named.insert(sight.named.end(), table->key.begin(), table->key.end());
  }
  for (const Hidden& hidden : rule->hide) {
    if (!rule->hide_is_map || !hidden.seen_by.admits(user)) sight.named.push_back(hidden.name);
  }
  if (table == nullptr || sight.everything) return sight;
  for (const std::string& column : law.known.at(collection)) {
    const bool shown = contains(table->key, column) || sight.shows_in_custom(column);
    if (shown) sight.columns.push_back(column);
  }
  return sight;
}

enum class Act { create, update, remove, truncate, custom, schema_changed };

inline std::string word_of(Act act) {
  switch (act) {
    case Act::create: return "create";
    case Act::update: return "update";
    case Act::remove: return "delete";
    case Act::truncate: return "truncate";
    case Act::custom: return "custom";
    default: return "schema_changed";
  }
}

struct Change {
  Act act = Act::create;
  bool everyone = false;
  std::string collection{};
  std::string record_id{};
  Fields before{};  // of a delete on a table without old rows: the key
  Fields after{};   // custom events: the members, where `scalar` is none
  std::optional<Cell> scalar{};
  std::string cursor{};
};

inline std::string to_json(const Fields& fields) {
  std::string out;
  for (const Field& field : fields) {
    const std::string name = field.spelled.empty() ? quoted_json(field.name) : field.spelled;
    out += (out.empty() ? "" : ",") + name + ":" + to_json(field.cell.value);
  }
  return "{" + out + "}";
}

inline std::string joined(const Names& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ",") + quoted_json(text);
  return out;
}

struct Held {
  std::string pattern{};
  Names events{};  // empty: all
  std::optional<Expr> filter{};
};

inline std::string collection_of(const std::string& pattern) {
  return pattern.substr(0, pattern.find('.'));
}

// What a pattern shows of one change.
struct View {
  std::string pattern{};
  bool before = false;
  bool after = false;
};

constexpr std::size_t usual_event_bytes = 1'048'576;

class Viewer {
 public:
  // A frame past `event_bytes` is truncated.
  Viewer(const Law& law, const User& user, const std::vector<Held>& held,
         std::size_t event_bytes = usual_event_bytes)
      : law_(law), user_(user), self_(user.value()), held_(held), event_bytes_(event_bytes) {}

  // The text frames that the change brings, in order.
  std::vector<std::string> frames(const Change& change) const {
    if (change.everyone) return {fitting_custom("null", change, to_json_value(change))};
    const std::vector<View> views = views_of(change);
    if (views.empty()) return {};
    if (change.act == Act::custom) return custom_frames(change);
    if (change.act != Act::schema_changed) return record_frames(change, views);
    std::vector<std::string> notices;
    for (const View& view : views) {
      notices.push_back(R"({"type":"resync_required","pattern":)" + quoted_json(view.pattern) +
                        R"(,"reason":"schema_changed"})");
    }
    return notices;
  }

  // The markers of all values of the change that this viewer may ever be told.
  std::set<int> entitled(const Change& change) const {
    std::set<int> marks;
    if (change.everyone) add_marks(marks, change);
    const std::vector<View> views = views_of(change);
    if (views.empty() || change.everyone) return marks;
    const Sight sight = sight_of(change);
    if (change.act == Act::custom && change.scalar) add_marks(marks, change);
    for (const Field& field : change.after) {
      const bool custom = change.act == Act::custom;
      const bool row = any(views, true);
      const bool shown = custom ? sight.shows_in_custom(field.name) : row && shows(sight, field);
      if (shown) marks.insert(field.cell.mark);
    }
    const Rule* rule = law_.rules.find(change.collection);
    const bool old = rule != nullptr && (change.act == Act::remove ? rule->full : rule->old);
    for (const Field& field : change.before) {
      const bool key = contains(table_of(change).key, field.name);
      if (any(views, false) && (key || (old && shows(sight, field)))) marks.insert(field.cell.mark);
    }
    return marks;
  }

 private:
  static bool any(const std::vector<View>& views, bool after) {
    return std::any_of(views.begin(), views.end(),
                       [&](const View& view) { return after ? view.after : view.before; });
  }
  static bool shows(const Sight& sight, const Field& field) { return sight.shows(field.name); }
  static void add_marks(std::set<int>& marks, const Change& change) {
    for (const Field& field : change.after) marks.insert(field.cell.mark);
    if (change.scalar) marks.insert(change.scalar->mark);
  }
  const Table& table_of(const Change& change) const {
    static const Table none{};
    const Table* table = law_.find_table(change.collection);
    return table != nullptr ? *table : none;
  }

  // Of a custom event that the rules do not list nothing is hidden.
  Sight sight_of(const Change& change) const {
    if (change.act == Act::custom && law_.rules.find(change.collection) == nullptr) return {};
    return leak::sight_of(law_, user_, change.collection);
  }

  static bool matches(const std::string& pattern, const Change& change) {
    if (pattern == "*" || pattern == change.collection + ".*") return true;
    if (change.act == Act::custom) return false;
    const bool whole = change.act == Act::truncate || change.act == Act::schema_changed;
    if (whole) return pattern.starts_with(change.collection + ".");
    return pattern == change.collection + "." + change.record_id;
  }

  // Do rule and filter let this row through?
  bool lets(const Sight& sight, const Held& held, const Change& change,
            const Fields& fields) const {
    const bool custom = change.act == Act::custom;
    std::map<std::string, Value> record;
    for (const Field& field : fields) {
      record[field.name] = custom ? untyped(field.cell.value) : field.cell.value;
    }
    const bool no_object = custom && change.scalar;
    Names columns;
    const Table* table = custom ? nullptr : law_.find_table(change.collection);
    if (table != nullptr) {
      for (const Column& column : table->columns) columns.push_back(column.name);
    }
    const Around around{&self_, no_object ? nullptr : &record, &columns};
    const bool narrowed = held.pattern != "*" && sight.where != nullptr;
    if (narrowed && !decide(*sight.where, around).is_true()) return false;
    if (!held.filter) return true;
    if (custom && !law_.find_table(change.collection)) {  // what is hidden is not there
      std::erase_if(record, [&](const auto& each) { return !sight.shows_in_custom(each.first); });
    }
    return decide(*held.filter, around).is_true();
  }

  // Patterns that notice the change, in the order of a frame's `patterns`.
  std::vector<View> views_of(const Change& change) const {
    std::vector<std::pair<int, View>> found;
    const Sight sight = sight_of(change);
    if (sight.closed) return {};
    for (const Held& held : held_) {
      if (!matches(held.pattern, change)) continue;
      const View view = view_of(sight, held, change);
      const bool noticed = view.before || view.after;
      const bool wanted = held.events.empty() || change.act == Act::schema_changed ||
                          contains(held.events, word_of(act_of(change, view.before, view.after)));
      const int rank = held.pattern == "*" ? 0 : held.pattern == change.collection + ".*" ? 1 : 2;
      if (noticed && wanted) found.emplace_back(rank, view);
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
      return std::pair(a.first, a.second.pattern) < std::pair(b.first, b.second.pattern);
    });
    std::vector<View> views;
    for (const auto& [rank, view] : found) views.push_back(view);
    return views;
  }
  View view_of(const Sight& sight, const Held& held, const Change& change) const {
    View view{held.pattern, false, false};
    switch (change.act) {
      case Act::truncate:
      case Act::schema_changed: view.before = view.after = true; break;
      case Act::create:
      case Act::custom: view.after = lets(sight, held, change, change.after); break;
      case Act::remove: view.before = lets(sight, held, change, change.before); break;
      case Act::update:
        view.after = lets(sight, held, change, change.after);
        view.before = change.before.empty() ? view.after : lets(sight, held, change, change.before);
        break;
    }
    return view;
  }

  // What the change is to who sees its rows like this.
  static Act act_of(const Change& change, bool before, bool after) {
    const bool of_row =
        change.act == Act::create || change.act == Act::update || change.act == Act::remove;
    if (!of_row) return change.act;
    if (!after) return Act::remove;
    return before ? Act::update : Act::create;
  }

  static std::string to_json_value(const Change& change) {
    return change.scalar ? to_json(change.scalar->value) : to_json(change.after);
  }
  static std::string custom_frame(const std::string& collection, const Change& change,
                                  const std::string& value) {
    return R"({"type":"custom_event","collection":)" + collection + R"(,"data":)" + value +
           R"(,"timestamp":"@","cursor":")" + change.cursor + "\"}";
  }
  bool fits(const std::string& payload) const {
    const std::size_t header = payload.size() < 126 ? 2 : payload.size() <= 0xffff ? 4 : 10;
    return payload.size() + header <= event_bytes_;
  }
  std::string fitting_custom(const std::string& collection, const Change& change,
                             const std::string& value) const {
    const std::string whole = custom_frame(collection, change, value);
    return fits(whole) ? whole : custom_frame(collection, change, "null,\"truncated\":true");
  }
  std::vector<std::string> custom_frames(const Change& change) const {
    const Sight sight = sight_of(change);
    const std::string name = quoted_json(change.collection);
    if (change.scalar) {  // columns cannot be taken out of what has none
      if (!sight.everything) return {};
      return {fitting_custom(name, change, to_json_value(change))};
    }
    Fields seen;
    for (const Field& field : change.after) {
      if (sight.shows_in_custom(field.name)) seen.push_back(field);
    }
    return {fitting_custom(name, change, to_json(seen))};
  }

  static const Field* find(const Fields& fields, const std::string& name) {
    for (const Field& field : fields) {
      if (field.name == name) return &field;
    }
    return nullptr;
  }
  // The record of a delete has an `id`, unless the table has a column of that name.
  static Fields with_id(Fields fields, const Change& change) {
    if (find(change.before, "id") == nullptr && find(change.after, "id") == nullptr) {
      fields.push_back({"id", {text_value(change.record_id)}});
    }
    return fields;
  }
  Fields key_of(const Change& change, const Fields& row) const {
    Fields fields;
    for (const std::string& column : table_of(change).key) {
      if (const Field* field = find(row, column)) fields.push_back(*field);
    }
    return with_id(fields, change);
  }
  static Fields visible(const Sight& sight, const Fields& fields) {
    Fields seen;
    for (const Field& field : fields) {
      if (sight.shows(field.name)) seen.push_back(field);
    }
    return seen;
  }
  static Names changed(const Sight& sight, const Change& change) {
    Names names;
    for (const Field& field : change.after) {
      const Field* before = find(change.before, field.name);
      const bool same =
          before != nullptr && to_json(before->cell.value) == to_json(field.cell.value);
      if (!same && sight.shows(field.name)) names.push_back(field.name);
    }
    return names;
  }

  std::string record_of(const Sight& sight, const Change& change, Act act) const {
    const Rule* rule = law_.rules.find(change.collection);
    if (act == Act::truncate) return "null";
    if (act != Act::remove) return to_json(visible(sight, change.after));
    // Of a row that has only left sight no more than its key is told.
    const bool full = change.act == Act::remove && rule != nullptr && rule->full;
    if (!full) return to_json(key_of(change, change.before));
    return to_json(with_id(visible(sight, change.before), change));
  }

  std::vector<std::string> record_frames(const Change& change,
                                         const std::vector<View>& views) const {
    const Sight sight = sight_of(change);
    const Rule* rule = law_.rules.find(change.collection);
    const Act act = act_of(change, any(views, false), any(views, true));
    std::string news, old;
    if (act == Act::update && !change.before.empty()) {
      const Names names = changed(sight, change);
      // Nobody is told of hidden columns, but for who sees the row leave one of his patterns.
      const bool turns = std::any_of(views.begin(), views.end(), [](const View& view) {
        return view.before != view.after;
      });
      if (names.empty() && !turns) return {};
      news = ",\"changed\":[" + joined(names) + "]";
      if (rule != nullptr && rule->old) {
        old = ",\"old\":" + to_json(visible(sight, change.before));
      }
    }
    Names patterns, left;
    for (const View& view : views) {
      if (act == Act::remove ? view.before : view.after) patterns.push_back(view.pattern);
      if (act == Act::update && view.before && !view.after) left.push_back(view.pattern);
    }
    const std::string id = act == Act::truncate ? "null" : quoted_json(change.record_id);
    const auto frame = [&](const std::string& record) {
      const std::string gone = left.empty() ? "" : ",\"left\":[" + joined(left) + "]";
      return R"({"type":"record_event","collection":)" + quoted_json(change.collection) +
             R"(,"action":")" + word_of(act) + R"(","record":)" + record +
             R"(,"timestamp":"@","record_id":)" + id + R"(,"patterns":[)" + joined(patterns) +
             "]" + gone + R"(,"cursor":")" + change.cursor + "\"}";
    };
    const std::string whole = frame(record_of(sight, change, act) + news + old);
    if (act == Act::truncate || fits(whole)) return {whole};
    const Fields& row = act == Act::remove ? change.before : change.after;
    const std::string key = to_json(key_of(change, row));
    const std::string shorter = frame(key + news + ",\"truncated\":true");
    return {fits(shorter) ? shorter : frame(key + ",\"truncated\":true")};
  }

  const Law& law_;
  const User& user_;
  Value self_;
  const std::vector<Held>& held_;
  std::size_t event_bytes_;
};

// Does a rule that goes by names of columns hear of a row that has others than its table?
inline bool is_strange(const Law& law, const Change& change) {
  const Rule* rule = law.rules.find(change.collection);
  const Table* table = law.find_table(change.collection);
  if (rule == nullptr || table == nullptr || !law.is_open(change.collection)) return false;
  if (!rule->where && !rule->narrows_columns()) return false;
  const auto differs = [&](const Fields& row) {
    return !row.empty() &&
           (row.size() != table->columns.size() ||
            !std::all_of(row.begin(), row.end(),
                         [&](const Field& field) { return table->has(field.name); }));
  };
  return change.act != Act::custom && (differs(change.before) || differs(change.after));
}

// ---- requests and changes of the law -------------------------------------------------------

// Empty: he may subscribe. Else the refusal's code.
inline std::string refusal(const Law& law, const User& user, const std::string& pattern) {
  const bool all = law.rules.all.admits(user);
  std::string code = "permission_denied";
  if (pattern == "*") {
    if (all) return "";
  } else {
    const std::string name = collection_of(pattern);
    const Rule* rule = law.rules.find(name);
    if (rule != nullptr && law.is_open(name) && rule->subscribe.admits(user)) return "";
    if (rule == nullptr && law.find_table(name) == nullptr && all) code = "unknown_collection";
  }
  return user.anonymous ? "unauthenticated" : code;
}

// May this filter stand at that pattern? Of a pattern that is allowed.
inline bool filter_fits(const Law& law, const User& user, const std::string& pattern,
                        const Expr& filter) {
  if (pattern == "*") return false;
  const std::string name = collection_of(pattern);
  const Table* table = law.find_table(name);
  const Sight sight = sight_of(law, user, name);
  if (table != nullptr && !table->old_rows) return false;
  const Names names = columns_of(filter);
  return std::all_of(names.begin(), names.end(), [&](const std::string& column) {
    return table == nullptr || (table->has(column) && sight.shows(column));
  });
}

enum class Resync { must, may, must_not };

inline Names seen_columns(const Law& law, const User& user, const std::string& name) {
  Names names;
  const Table* table = law.find_table(name);
  const Sight sight = sight_of(law, user, name);
  if (table == nullptr || sight.closed) return names;
  for (const Column& column : table->columns) {
    if (sight.shows(column.name)) names.push_back(column.name);
  }
  return names;
}

inline Names columns_of(const Law& law, const std::string& name) {
  Names names;
  const Table* table = law.find_table(name);
  if (table == nullptr) return names;
  for (const Column& column : table->columns) names.push_back(column.name);
  return names;
}
inline Names known_columns(const Law& law, const std::string& name) {
  const auto found = law.known.find(name);
  return found != law.known.end() ? found->second : Names{};
}

// One law follows another, or one user another on a connection; `tables` with the rows that they
// have meanwhile.
struct Side {
  const Law& law;
  const User& user;
};
struct Turn {
  Side before;
  Side after;
  const std::map<std::string, Table>& tables;
};

inline bool lets_row(const Side& side, const std::string& name, const Fields& fields) {
  const Rule* rule = side.law.rules.find(name);
  if (rule == nullptr || !rule->where) return true;
  const Value self = side.user.value();
  std::map<std::string, Value> record;
  for (const Field& field : fields) record[field.name] = field.cell.value;
  return decide(*rule->where, {&self, &record}).is_true();
}

// Does the pattern show other rows than before, of those that are there?
inline bool rows_differ(const Turn& turn, const Held& held) {
  const std::string name = collection_of(held.pattern);
  const auto table = turn.tables.find(name);
  if (table == turn.tables.end()) return false;
  for (const auto& [id, fields] : table->second.rows) {
    if (held.pattern != name + ".*" && held.pattern != name + "." + id) continue;
    std::map<std::string, Value> record;
    for (const Field& field : fields) record[field.name] = field.cell.value;
    if (held.filter && !decide(*held.filter, {nullptr, &record}).is_true()) continue;
    if (lets_row(turn.before, name, fields) != lets_row(turn.after, name, fields)) return true;
  }
  return false;
}

// Has what he sees of the collection changed? Where rules are written otherwise and come to the
// same for the rows that are there, a notice may be sent and need not be.
inline Resync resync_of_one(const Turn& turn, const std::string& name) {
  const Law& before = turn.before.law;
  const Law& after = turn.after.law;
  const Rule* was = before.rules.find(name);
  const Rule* is = after.rules.find(name);
  const bool same_columns = seen_columns(before, turn.before.user, name) ==
                            seen_columns(after, turn.after.user, name);
  // Of another shape of the table an event of its own tells.
  if (!same_columns && columns_of(before, name) == columns_of(after, name)) return Resync::must;
  const bool same_rule = was != nullptr && is != nullptr && print(*was) == print(*is);
  const bool same_user =
      to_json(turn.before.user.value()) == to_json(turn.after.user.value());
  const bool untouched = ((was == nullptr && is == nullptr) || same_rule) && same_columns;
  const bool untold = untouched && known_columns(before, name) == known_columns(after, name);
  return untold && same_user ? Resync::must_not : Resync::may;
}

// Is its table watched on one side of the turn only?
inline bool turns_watching(const Turn& turn, const std::string& name) {
  return (turn.before.law.find_table(name) == nullptr) !=
         (turn.after.law.find_table(name) == nullptr);
}

// Of a pattern that stays allowed.
inline Resync resync_of(const Turn& turn, const Held& held) {
  if (held.pattern != "*") {
    if (turns_watching(turn, collection_of(held.pattern))) return Resync::must;
    if (rows_differ(turn, held)) return Resync::must;
    return resync_of_one(turn, collection_of(held.pattern));
  }
  Resync wanted = Resync::must_not;
  for (const Law* law : {&turn.before.law, &turn.after.law}) {
    for (const auto& [name, rule] : law->rules.listed) {
      if (turns_watching(turn, name)) continue;
      wanted = std::min(wanted, resync_of_one(turn, name));
    }
    for (const auto& [name, table] : law->tables) {
      if (turns_watching(turn, name)) continue;
      wanted = std::min(wanted, resync_of_one(turn, name));
    }
  }
  return wanted;
}

// What a held pattern comes to in a turn: the code of the error that ends it, or empty.
inline std::string end_of(const Side& after, const Held& held) {
  const std::string code = refusal(after.law, after.user, held.pattern);
  if (!code.empty() || !held.filter) return code;
  const bool fits = filter_fits(after.law, after.user, held.pattern, *held.filter);
  return fits ? "" : "invalid_filter";
}

// Empty: `heard` is what the turn must tell of these patterns, of which `held` keeps those that
// live on. Else what is wrong.
inline std::string check_turn(const Turn& turn, std::vector<Held>& held, const Names& heard) {
  std::vector<Held> kept;
  std::size_t at = 0;
  for (const Held& each : held) {
    const std::string of = "\"pattern\":" + quoted_json(each.pattern);
    const std::string next = at < heard.size() ? heard[at] : "";
    const bool about_it =
        next.find(of + ",") != std::string::npos || next.find(of + "}") != std::string::npos;
    const std::string code = end_of(turn.after, each);
    if (!code.empty()) {
      const bool told = about_it && next.starts_with("{\"type\":\"error\",\"code\":\"" + code);
      if (!told) return each.pattern + " must end with " + code + ", not " + next;
      ++at;
      continue;
    }
    kept.push_back(each);
    const Resync wanted = resync_of(turn, each);
    if (wanted == Resync::must && !about_it) return each.pattern + " is not told to resync";
    if (wanted == Resync::must_not && about_it) return each.pattern + " has not changed: " + next;
    if (!about_it) continue;
    const bool other_table = turns_watching(turn, collection_of(each.pattern));
    const std::string told = "{\"type\":\"resync_required\"," + of + ",\"reason\":\"" +
                             (other_table ? "schema" : "permissions") + "_changed\"}";
    if (next != told) return next + " must be " + told;
    ++at;
  }
  held = std::move(kept);
  return at == heard.size() ? "" : "of no pattern: " + heard[at];
}

// ---- the bytes -----------------------------------------------------------------------------

// The markers in a text: "~m12~", and ".91234567" of a number.
inline std::set<int> marks_in(const std::string& text) {
  std::set<int> marks;
  for (std::size_t at = text.find("~m"); at != std::string::npos; at = text.find("~m", at + 1)) {
    marks.insert(std::atoi(text.c_str() + at + 2));
  }
  for (std::size_t at = text.find(".9"); at != std::string::npos; at = text.find(".9", at + 1)) {
    const std::string digits = text.substr(at + 2, 7);
    const bool all = digits.size() == 7 &&
                     digits.find_first_not_of("0123456789") == std::string::npos;
    if (all) marks.insert(std::stoi(digits));
  }
  return marks;
}

inline Cell marked_text(const std::string& word, int mark) {
  return {text_value(word + "~m" + std::to_string(mark) + "~"), mark};
}
inline Cell marked_number(std::int64_t whole, int mark) {
  const std::string digits = std::to_string(mark);
  return {number_value(whole, "9" + std::string(7 - digits.size(), '0') + digits), mark};
}

// One column: its text. Several: joined, with what joins them escaped.
inline std::string record_id_of(const Names& key, const Fields& fields) {
  std::string id;
  for (std::size_t i = 0; i < key.size(); ++i) {
    for (const Field& field : fields) {
      if (field.name != key[i]) continue;
      if (key.size() == 1) return field.cell.value.text;
      if (i != 0) id += ',';
      for (const char c : field.cell.value.text) {
        if (c == ',' || c == '\\') id += '\\';
        id += c;
      }
    }
  }
  return id;
}

}  // namespace pgtide::test::leak
