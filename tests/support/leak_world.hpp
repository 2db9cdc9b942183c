#pragma once
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "support/leak_model.hpp"

// Random tables, rules, users, filters and changes for the leak tests. Values are few where rules
// look at them, so that they meet; all others are marked.
namespace pgtide::test::leak {

// A number from the environment.
inline int number_from(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::atoi(text) : otherwise;
}

class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}
  std::size_t below(std::size_t bound) { return random_() % bound; }
  bool one_in(std::size_t count) { return below(count) == 0; }
  template <class List>
  auto any(const List& list) {
    return *std::next(std::begin(list), static_cast<std::ptrdiff_t>(below(std::size(list))));
  }
  std::string any_of(const Names& names) { return any(names); }

 private:
  std::mt19937 random_;
};

// ---- values --------------------------------------------------------------------------------

inline const Names words = {"open", "shut", "a\"b", "red", "1"};
inline const Names moments = {"2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00",
                              "2026-03-01T00:00:00+00:00"};
inline const Names roles = {"editor", "admin", "moderator"};

class Cells {
 public:
  explicit Cells(Dice& dice, int& marks) : dice_(dice), marks_(marks) {}

  Cell any(Kind kind) {
    if (dice_.one_in(8)) return {null_value()};
    const auto small = static_cast<std::int64_t>(dice_.below(4));
    switch (kind) {
      case Kind::number: return {number_value(small)};
      case Kind::price: return marked_number(small, ++marks_);
      case Kind::text:
        if (dice_.one_in(3)) return {text_value(dice_.any_of(words))};
        return marked_text(dice_.any_of(words), ++marks_);
      case Kind::flag: return {boolean(dice_.one_in(2))};
      case Kind::moment: return {moment_value(dice_.any_of(moments))};
      case Kind::tags: return tags();
      case Kind::doc: return doc();
    }
    return {};
  }
  Cell marked() { return marked_text("", ++marks_); }

 private:
  Cell tags() {
    std::vector<Value> items;
    while (!dice_.one_in(3)) items.push_back(text_value(dice_.any_of(words)));
    if (dice_.one_in(5)) items.push_back(null_value());
    items.push_back(marked_text("", ++marks_).value);
    return {list_value(std::move(items)), marks_};
  }
  Cell doc() {
    std::map<std::string, Value> members;
    if (!dice_.one_in(4)) {
      const auto small = static_cast<std::int64_t>(dice_.below(3));
      members["k"] = dice_.one_in(4)   ? null_value()
                     : dice_.one_in(4) ? text_value(dice_.any_of(words))
                                       : number_value(small);
    }
    members["m"] = marked_text("", ++marks_).value;
    return {map_value(std::move(members)), marks_};
  }

  Dice& dice_;
  int& marks_;
};

// ---- expressions ---------------------------------------------------------------------------

inline Expr constant(Value value) {
  return {.op = Op::constant, .value = std::move(value)};
}
inline Expr text(const std::string& value) {
  return constant(text_value(value));
}
inline Expr column(const std::string& name) {
  return {.op = Op::column, .name = name};
}
inline Expr member(Expr of, const std::string& name) {
  return {.op = Op::member, .name = name, .kids = {std::move(of)}};
}
inline Expr user_member(const std::string& name) {
  return member({.op = Op::user}, name);
}
inline Expr claim(const std::string& name) {
  return member(user_member("claims"), name);
}
inline Expr with(Op op, std::vector<Expr> kids) {
  return {.op = op, .kids = std::move(kids)};
}

// Expressions that the checker must let pass: their types are right as far as they are known.
class Expressions {
 public:
  // What it may speak of.
  struct Scope {
    std::vector<Column> columns{};
    bool user = false;
    bool open = false;  // any name may be asked for
  };
  Expressions(Dice& dice, Scope scope) : dice_(dice), scope_(std::move(scope)) {}

  Expr any(int depth) {
    if (depth == 0 || dice_.one_in(3)) return leaf();
    const std::size_t kinds = dice_.below(8);
    if (kinds == 0) return with(Op::no, {any(depth - 1)});
    if (kinds == 1) return with(Op::choose, {any(depth - 1), any(depth - 1), any(depth - 1)});
    std::vector<Expr> kids = {any(depth - 1), any(depth - 1)};
    if (dice_.one_in(3)) kids.push_back(any(depth - 1));
    return with(kinds < 5 ? Op::both : Op::either, std::move(kids));
  }

 private:
  Expr leaf() {
    if (dice_.one_in(25)) return constant(boolean(dice_.one_in(2)));
    const bool has_columns = !scope_.columns.empty();
    if (scope_.user && (!has_columns || dice_.one_in(4))) return of_user();
    if (!has_columns) return constant(boolean(true));
    const Column asked = dice_.any(scope_.columns);
    if (dice_.one_in(scope_.open ? 4 : 12)) return {.op = Op::has_column, .name = asked.name};
    if (dice_.one_in(10)) {
      return with(dice_.one_in(2) ? Op::equals : Op::differs,
                  {column(asked.name), constant(null_value(true))});
    }
    if (scope_.user && dice_.one_in(2)) return of_both(asked);
    return of_column(asked);
  }
  Op comparison() {
    return dice_.any(std::vector<Op>{Op::equals, Op::equals, Op::equals, Op::differs, Op::less,
                                     Op::at_most, Op::more, Op::at_least});
  }
  Op equality() { return dice_.one_in(4) ? Op::differs : Op::equals; }
  Expr small() { return constant(number_value(static_cast<std::int64_t>(dice_.below(4)))); }
  Expr word() { return text(dice_.any_of(words)); }
  Expr two(Expr one, Expr other) {
    return with(Op::list, {std::move(one), std::move(other)});
  }

  Expr of_user() {
    switch (dice_.below(9)) {
      case 0: return with(Op::in, {text(dice_.any_of(roles)), user_member("roles")});
      case 1: return with(equality(), {user_member("id"), text(dice_.any_of({"1", "2"}))});
      case 2: return with(equality(), {claim("team"), word()});
      case 3: return {.op = Op::has, .name = "team", .kids = {user_member("claims")}};
      case 4: return with(equality(), {{.op = Op::user}, constant(null_value(true))});
      case 5: return with(comparison(), {claim("level"), small()});
      case 6: return with(Op::in, {word(), claim("teams")});
      case 7: return with(equality(), {claim("none"), constant(null_value(true))});
      default: return with(Op::in, {user_member("id"), two(text("1"), word())});
    }
  }

  Expr of_column(const Column& asked) {
    const Expr of = column(asked.name);
    switch (asked.kind) {
      case Kind::number:
        if (dice_.one_in(3)) return with(Op::in, {of, two(small(), small())});
        if (dice_.one_in(5)) return with(Op::equals, {with(Op::string_of, {of}), text("1")});
        if (dice_.one_in(6)) return with(comparison(), {of, column(other(asked))});
        return with(comparison(), {of, small()});
      case Kind::price: return with(comparison(), {of, small()});
      case Kind::text:
        if (dice_.one_in(3)) return with(Op::in, {of, two(word(), word())});
        if (dice_.one_in(3)) return with(equality(), {of, word()});
        if (dice_.one_in(6)) return with(comparison(), {with(Op::size_of, {of}), small()});
        if (dice_.one_in(6)) return with(comparison(), {of, column(other(asked))});
        return with(dice_.any(std::vector<Op>{Op::starts, Op::ends, Op::holds_text}),
                    {of, word()});
      case Kind::flag:
        if (dice_.one_in(3)) return with(Op::no, {of});
        return dice_.one_in(2) ? of : with(equality(), {of, constant(boolean(true))});
      case Kind::moment:
        return with(comparison(), {of, {.op = Op::moment,
                                        .value = text_value(dice_.any_of(moments))}});
      case Kind::tags:
        if (dice_.one_in(4)) return with(comparison(), {with(Op::size_of, {of}), small()});
        return with(Op::in, {dice_.one_in(5) ? constant(null_value(true)) : word(), of});
      case Kind::doc:
        if (dice_.one_in(4)) return {.op = Op::has, .name = "k", .kids = {of}};
        if (dice_.one_in(4)) return with(Op::in, {text("k"), of});
        return with(comparison(), {member(of, "k"), dice_.one_in(4) ? word() : small()});
    }
    return of;
  }

  // A column against what is known of the user.
  Expr of_both(const Column& asked) {
    const Expr of = column(asked.name);
    switch (asked.kind) {
      case Kind::number:
        if (dice_.one_in(3)) return with(comparison(), {of, claim("level")});
        if (dice_.one_in(3)) return with(Op::in, {of, claim("numbers")});
        return with(equality(), {with(Op::string_of, {of}), user_member("id")});
      case Kind::text:
        if (dice_.one_in(3)) return with(Op::in, {of, claim("teams")});
        if (dice_.one_in(3)) return with(equality(), {of, claim("none")});
        if (dice_.one_in(4)) return with(Op::starts, {of, claim("team")});
        return with(equality(), {of, dice_.one_in(2) ? claim("team") : user_member("id")});
      case Kind::tags:
        return with(Op::in, {dice_.one_in(2) ? user_member("id") : claim("team"), of});
      default: return of_column(asked);
    }
  }
  std::string other(const Column& asked) {
    std::vector<Column> alike;
    for (const Column& each : scope_.columns) {
      if (each.kind == asked.kind) alike.push_back(each);
    }
    return dice_.any(alike).name;
  }

  Dice& dice_;
  Scope scope_;
};

// ---- users, tables, rules ------------------------------------------------------------------

inline User make_user(Dice& dice) {
  User user;
  if (dice.one_in(4)) return user;
  user.anonymous = false;
  user.id = dice.any_of({"1", "2", "red"});
  for (const std::string& role : roles) {
    if (dice.one_in(3)) user.roles.push_back(role);
  }
  if (!dice.one_in(3)) user.claims["team"] = text_value(dice.any_of(words));
  if (!dice.one_in(3)) {
    user.claims["level"] = number_value(static_cast<std::int64_t>(dice.below(4)));
  }
  if (!dice.one_in(3)) user.claims["none"] = null_value();
  if (!dice.one_in(3)) {
    user.claims["teams"] =
        list_value({text_value(dice.any_of(words)), text_value(dice.any_of(words))});
    user.claims["numbers"] = list_value({number_value(1), number_value(3)});
    for (const char* list : {"teams", "numbers"}) {
      if (dice.one_in(3)) user.claims[list].items.push_back(null_value());
    }
  }
  return user;
}

inline std::vector<Column> value_columns() {
  return {{"owner", Kind::number}, {"other", Kind::number}, {"price", Kind::price},
          {"status", Kind::text},  {"title", Kind::text},   {"secret", Kind::text},
          {"opened", Kind::flag},  {"at", Kind::moment},    {"tags", Kind::tags},
          {"doc", Kind::doc}};
}

inline std::vector<Table> make_tables(Dice& dice) {
  std::vector<Table> tables = {
      {.name = "posts", .key = {"id"}, .columns = {{"id", Kind::number}}},
      {.name = "notes", .key = {"a", "b"}, .columns = {{"a", Kind::text}, {"b", Kind::number}}},
      {.name = "users", .key = {"name"}, .columns = {{"name", Kind::text}}}};
  for (Table& table : tables) {
    for (const Column& column : value_columns()) {
      if (!dice.one_in(3)) table.columns.push_back(column);
    }
    table.old_rows = !dice.one_in(6);
  }
  tables.resize(1 + dice.below(3));
  return tables;
}

// Columns other than the key's.
inline std::vector<Column> plain_columns(const Table& table) {
  std::vector<Column> plain;
  for (const Column& column : table.columns) {
    if (!contains(table.key, column.name)) plain.push_back(column);
  }
  return plain;
}

class RuleMaker {
 public:
  explicit RuleMaker(Dice& dice) : dice_(dice) {}

  Rules make(const std::map<std::string, Table>& tables) {
    Rules rules;
    if (!dice_.one_in(3)) rules.all = whom();
    for (const auto& [name, table] : tables) {
      if (!dice_.one_in(8)) rules.listed[name] = make(&table);
    }
    for (const char* name : {"notices", "party"}) {  // no tables: custom events only
      if (!dice_.one_in(3)) rules.listed[name] = make(nullptr);
    }
    return rules;
  }
  // The rules with another rule for one collection, or another part of a rule.
  Rules alter(const Rules& rules, const std::map<std::string, Table>& tables) {
    const Rules fresh = make(tables);
    Rules altered = rules;
    if (dice_.one_in(3) || fresh.listed.empty()) return fresh;
    const auto [name, rule] = dice_.any(fresh.listed);
    const auto held = altered.listed.find(name);
    if (held == altered.listed.end() || dice_.one_in(4)) {
      altered.listed[name] = rule;
    } else if (dice_.one_in(2)) {
      held->second.where = rule.where;
    } else if (held->second.hide.size() > 1 && dice_.one_in(2)) {
      // The same audiences, of other columns.
      std::swap(held->second.hide.front().seen_by, held->second.hide.back().seen_by);
    } else {
      held->second.hide = rule.hide;
      held->second.hide_is_map = rule.hide_is_map;
      held->second.show = rule.show;
    }
    return altered;
  }
  Rule make(const Table* table) {
    const bool narrow = table == nullptr || table->old_rows || dice_.one_in(20);
    const std::vector<Column> plain = table != nullptr ? plain_columns(*table) : value_columns();
    Rule rule{.subscribe = whom()};
    if (narrow && !dice_.one_in(3)) {
      const auto columns = table != nullptr ? table->columns : value_columns();
      rule.where = Expressions(dice_, {columns, true}).any(3);
    }
    if (narrow && dice_.one_in(5)) {
      rule.show.emplace();
      for (const Column& column : plain) {
        if (dice_.one_in(2)) rule.show->push_back(column.name);
      }
    } else if (narrow && !dice_.one_in(3)) {
      rule.hide_is_map = dice_.one_in(2);
      for (const Column& column : plain) {
        if (!dice_.one_in(3)) continue;
        rule.hide.push_back({column.name, rule.hide_is_map ? whom() : Whom{}});
      }
    }
    rule.full = narrow && dice_.one_in(3);
    rule.old = narrow && dice_.one_in(3);
    return rule;
  }

 private:
  Whom whom() {
    if (dice_.one_in(3)) return {Whom::Kind::anyone};
    if (dice_.one_in(3)) return {Whom::Kind::authenticated};
    return {Whom::Kind::by_rule, Expressions(dice_, {{}, true}).any(2)};
  }
  Dice& dice_;
};

// ---- what clients ask for ------------------------------------------------------------------

inline std::string request_of(const Held& item) {
  std::string out = R"({"type":"subscribe","pattern":)" + quoted_json(item.pattern);
  if (!item.events.empty()) out += R"(,"events":[)" + joined(item.events) + "]";
  if (item.filter) out += R"(,"filter":)" + quoted_json(print(*item.filter));
  return out + "}";
}

class Wishes {
 public:
  Wishes(Dice& dice, const Law& law, const std::map<std::string, Table>& tables)
      : dice_(dice), law_(law), tables_(tables) {}

  Held any(const User& user) {
    Held item{pattern(), events(), {}};
    if (dice_.one_in(2)) item.filter = filter(user, item.pattern);
    return item;
  }
  std::string pattern() {
    if (dice_.one_in(5)) return "*";
    Names names = {"notices", "party"};
    for (const auto& [name, table] : tables_) names.insert(names.end(), 3, name);
    const std::string name = dice_.one_in(20) ? "ghosts" : dice_.any_of(names);
    const auto table = tables_.find(name);
    // What has no table has no records: such a pattern brings nothing.
    if (dice_.one_in(2) || (table == tables_.end() && !dice_.one_in(5))) return name + ".*";
    if (table == tables_.end() || table->second.rows.empty()) return name + "." + record_id();
    return name + "." + dice_.any(table->second.rows).first;
  }

 private:
  std::string record_id() {
    if (dice_.one_in(2)) return dice_.any_of({"0", "1", "2", "3", "open"});
    const std::string id = dice_.any_of(words);
    return dice_.one_in(3) ? id : id + "," + std::to_string(dice_.below(3));
  }
  Names events() {
    Names chosen;
    if (!dice_.one_in(5)) return chosen;
    for (const char* word : {"create", "update", "delete", "truncate", "custom"}) {
      if (dice_.one_in(2)) chosen.push_back(word);
    }
    return chosen;
  }
  // A filter over what he sees there, or now and then over what he may not.
  Expr filter(const User& user, const std::string& pattern) {
    const std::string name = collection_of(pattern);
    const auto table = tables_.find(name);
    const bool is_table = table != tables_.end();
    std::vector<Column> columns = is_table ? table->second.columns : value_columns();
    if (dice_.one_in(12)) columns.push_back({"xyzzy", Kind::text});
    const Sight sight = sight_of(law_, user, name);
    if (!dice_.one_in(is_table ? 6 : 2)) {
      std::erase_if(columns, [&](const Column& each) {
        return !(is_table ? sight.shows(each.name) : sight.shows_in_custom(each.name));
      });
    }
    return Expressions(dice_, {columns, false, !is_table}).any(2);
  }

  Dice& dice_;
  const Law& law_;
  const std::map<std::string, Table>& tables_;
};

// ---- what happens to rows ------------------------------------------------------------------

class Deeds {
 public:
  Deeds(Dice& dice, Cells& cells) : dice_(dice), cells_(cells) {}

  Fields row_of(const Table& table) {
    Fields row;
    for (const Column& column : table.columns) {
      Cell cell = cells_.any(column.kind);
      if (contains(table.key, column.name)) {
        const auto small = static_cast<std::int64_t>(dice_.below(4));
        const bool number = column.kind == Kind::number;
        cell = {number ? number_value(small) : text_value(dice_.any_of({"open", "a,b", "\\"}))};
      }
      row.push_back({column.name, cell});
    }
    return row;
  }
  // The row with some of its columns new; never its key.
  Fields altered(const Table& table, const std::string& id) {
    Fields after = table.rows.at(id);
    const Fields fresh = row_of(table);
    for (std::size_t i = 0; i < after.size(); ++i) {
      const bool key = contains(table.key, after[i].name);
      if (!key && dice_.one_in(3)) after[i] = fresh[i];
    }
    return after;
  }
  // The row under another key.
  Fields moved(const Table& table, const std::string& id) {
    Fields after = table.rows.at(id);
    const Fields fresh = row_of(table);
    for (std::size_t i = 0; i < after.size(); ++i) {
      if (contains(table.key, after[i].name)) after[i] = fresh[i];
    }
    return after;
  }

  // They do it, and say what the log has of it.
  static void put(std::vector<Change>& log, Table& table, const Fields& row) {
    const std::string id = record_id_of(table.key, row);
    const auto held = table.rows.find(id);
    const bool there = held != table.rows.end();
    Change change{.act = there ? Act::update : Act::create,
                  .collection = table.name,
                  .record_id = id,
                  .after = row};
    if (there && table.old_rows) change.before = held->second;
    table.rows[id] = row;
    log.push_back(std::move(change));
  }
  static void remove(std::vector<Change>& log, Table& table, const std::string& id) {
    Change change{.act = Act::remove, .collection = table.name, .record_id = id};
    change.before = table.rows.at(id);
    if (!table.old_rows) {
      std::erase_if(change.before,
                    [&](const Field& field) { return !contains(table.key, field.name); });
    }
    table.rows.erase(id);
    log.push_back(std::move(change));
  }

  Change custom_event(const Names& names) {
    Change change{.act = Act::custom, .everyone = dice_.one_in(6)};
    if (!change.everyone) change.collection = dice_.any_of(names);
    if (dice_.one_in(4)) {
      change.scalar = dice_.one_in(2) ? cells_.marked() : Cell{list_value({})};
      return change;
    }
    for (const Column& column : value_columns()) {
      if (dice_.one_in(2)) change.after.push_back({column.name, cells_.any(column.kind)});
    }
    if (!change.after.empty() && dice_.one_in(3)) escape_name(change.after.front());
    return change;
  }

 private:
  // JSON may spell a name in more ways than one.
  static void escape_name(Field& field) {
    char first[8];
    std::snprintf(first, sizeof first, "\\u%04x", static_cast<unsigned>(field.name[0]));
    field.spelled = "\"" + std::string(first) + field.name.substr(1) + "\"";
  }

  Dice& dice_;
  Cells& cells_;
};

}  // namespace pgtide::test::leak
