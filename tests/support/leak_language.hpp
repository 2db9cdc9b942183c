#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// The rules language once more, as the contract has it (PROTOCOL 4): expressions that print
// themselves, and that decide on a row and a user by walking their own tree. Written for the leak
// tests and from the page alone, so that the product's reader, checker, specializer and index are
// not asked about themselves.
namespace pgtide::test::leak {

using Names = std::vector<std::string>;

inline bool contains(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// ASCII only.
inline std::string quoted_json(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

// ---- values --------------------------------------------------------------------------------

struct Value {
  enum class Kind { error, null, boolean, number, text, moment, list, map };
  Kind kind = Kind::error;
  bool flag = false;        // boolean: itself; null: it is the literal
  std::int64_t number = 0;  // in 10^-8
  std::string text{};       // text, moment: itself; number: as it is printed
  std::vector<Value> items{};
  std::map<std::string, Value> members{};

  bool is(Kind k) const { return kind == k; }
  bool is_true() const { return is(Kind::boolean) && flag; }
  bool is_false() const { return is(Kind::boolean) && !flag; }
};

inline Value error() {
  return {};
}
inline Value boolean(bool flag) {
  return {.kind = Value::Kind::boolean, .flag = flag};
}
inline Value null_value(bool literal = false) {
  return {.kind = Value::Kind::null, .flag = literal};
}
inline Value text_value(const std::string& text) {
  return {.kind = Value::Kind::text, .text = text};
}
// `fraction`: eight digits, or none.
inline Value number_value(std::int64_t whole, const std::string& fraction = "") {
  const std::int64_t parts = fraction.empty() ? 0 : std::stoll(fraction);
  return {.kind = Value::Kind::number,
          .number = whole * 100'000'000 + parts,
          .text = std::to_string(whole) + (fraction.empty() ? "" : "." + fraction)};
}
// All are printed in one form, so that their texts compare as they do.
inline Value moment_value(const std::string& text) {
  return {.kind = Value::Kind::moment, .text = text};
}
inline Value list_value(std::vector<Value> items) {
  return {.kind = Value::Kind::list, .items = std::move(items)};
}
inline Value map_value(std::map<std::string, Value> members) {
  return {.kind = Value::Kind::map, .members = std::move(members)};
}

// As PostgreSQL prints it.
inline std::string to_json(const Value& value) {
  std::string out;
  switch (value.kind) {
    case Value::Kind::boolean: return value.flag ? "true" : "false";
    case Value::Kind::number: return value.text;
    case Value::Kind::text:
    case Value::Kind::moment: return quoted_json(value.text);
    case Value::Kind::list:
      for (const Value& item : value.items) out += (out.empty() ? "" : ",") + to_json(item);
      return "[" + out + "]";
    case Value::Kind::map:
      for (const auto& [name, member] : value.members) {
        out += (out.empty() ? "" : ", ") + quoted_json(name) + ": " + to_json(member);
      }
      return "{" + out + "}";
    default: return "null";
  }
}

// What JSON tells of a value whose column's type is not known: a moment is a text there.
inline Value untyped(Value value) {
  if (value.is(Value::Kind::moment)) value.kind = Value::Kind::text;
  for (Value& item : value.items) item = untyped(item);
  return value;
}

inline Value equal(const Value& a, const Value& b) {
  using Kind = Value::Kind;
  if (a.is(Kind::error) || b.is(Kind::error)) return error();
  const bool literal = (a.is(Kind::null) && a.flag) || (b.is(Kind::null) && b.flag);
  if (literal) return boolean(a.is(Kind::null) && b.is(Kind::null));
  for (const Value* value : {&a, &b}) {
    if (value->is(Kind::list) || value->is(Kind::map)) return error();
  }
  if (a.is(Kind::null) || b.is(Kind::null)) return boolean(false);
  if (a.kind != b.kind) return error();
  if (a.is(Kind::boolean)) return boolean(a.flag == b.flag);
  return boolean(a.is(Kind::number) ? a.number == b.number : a.text == b.text);
}

// -1, 0, 1; none where the two have no order.
inline std::optional<int> ordered(const Value& a, const Value& b) {
  using Kind = Value::Kind;
  if (a.kind != b.kind) return std::nullopt;
  if (a.is(Kind::number)) return a.number < b.number ? -1 : a.number > b.number;
  if (!a.is(Kind::text) && !a.is(Kind::moment)) return std::nullopt;
  return a.text < b.text ? -1 : a.text > b.text;
}

inline Value contained(const Value& needle, const Value& container) {
  using Kind = Value::Kind;
  if (needle.is(Kind::error)) return error();
  if (container.is(Kind::map)) {
    return needle.is(Kind::text) ? boolean(container.members.contains(needle.text)) : error();
  }
  if (!container.is(Kind::list)) return error();
  bool fails = false;
  for (const Value& item : container.items) {
    const Value same = equal(needle, item);
    if (same.is_true()) return same;
    fails = fails || same.is(Kind::error);
  }
  return fails ? error() : boolean(false);
}

// ---- expressions ---------------------------------------------------------------------------

enum class Op {
  constant, moment, column, has_column, user, member, has, list, string_of, size_of,
  equals, differs, less, at_most, more, at_least, in,
  both, either, no, choose, starts, ends, holds_text
};

struct Expr {
  Op op = Op::constant;
  Value value{};        // of constant; of moment: its text
  std::string name{};   // of column, has_column, member, has
  std::vector<Expr> kids{};
};

// What the variables stand for. No user: anonymous, null.
struct Around {
  const Value* user = nullptr;                           // a map, or null
  const std::map<std::string, Value>* record = nullptr;  // null: there are no columns at all
  const Names* columns = nullptr;  // a table's, which an older row has, too; null: the record's
};

inline std::string print(const Expr& e);

inline std::string print_literal(const Value& value) {
  if (!value.is(Value::Kind::text)) return to_json(value);
  std::string out = "'";
  for (const char c : value.text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

inline std::string print_joined(const Expr& e, const std::string& word) {
  std::string out;
  for (const Expr& kid : e.kids) out += (out.empty() ? "" : " " + word + " ") + print(kid);
  return "(" + out + ")";
}

inline std::string print(const Expr& e) {
  const auto kid = [&](std::size_t at) { return print(e.kids[at]); };
  switch (e.op) {
    case Op::constant: return print_literal(e.value);
    case Op::moment: return "timestamp('" + e.value.text + "')";
    case Op::column: return "record." + e.name;
    case Op::has_column: return "has(record." + e.name + ")";
    case Op::user: return "user";
    case Op::member: return kid(0) + "." + e.name;
    case Op::has: return "has(" + kid(0) + "." + e.name + ")";
    case Op::list: {
      const std::string joined = print_joined(e, ",");
      return "[" + joined.substr(1, joined.size() - 2) + "]";
    }
    case Op::string_of: return "string(" + kid(0) + ")";
    case Op::size_of: return "size(" + kid(0) + ")";
    case Op::equals: return print_joined(e, "==");
    case Op::differs: return print_joined(e, "!=");
    case Op::less: return print_joined(e, "<");
    case Op::at_most: return print_joined(e, "<=");
    case Op::more: return print_joined(e, ">");
    case Op::at_least: return print_joined(e, ">=");
    case Op::in: return print_joined(e, "in");
    case Op::both: return print_joined(e, "&&");
    case Op::either: return print_joined(e, "||");
    case Op::no: return "!" + kid(0);
    case Op::choose: return "(" + kid(0) + " ? " + kid(1) + " : " + kid(2) + ")";
    case Op::starts: return kid(0) + ".startsWith(" + kid(1) + ")";
    case Op::ends: return kid(0) + ".endsWith(" + kid(1) + ")";
    case Op::holds_text: return kid(0) + ".contains(" + kid(1) + ")";
  }
  return "";
}

inline Value decide(const Expr& e, const Around& around);

inline Value find_member(const Value& map, const std::string& name) {
  if (!map.is(Value::Kind::map)) return error();
  const auto found = map.members.find(name);
  return found != map.members.end() ? found->second : error();
}

// && and ||: `word` decides alone; else whatever is no boolean is an error.
inline Value chain(const Expr& e, const Around& around, bool word) {
  bool fails = false;
  for (const Expr& kid : e.kids) {
    const Value value = decide(kid, around);
    if (value.is(Value::Kind::boolean) && value.flag == word) return value;
    fails = fails || !value.is(Value::Kind::boolean);
  }
  return fails ? error() : boolean(!word);
}

inline Value decide_order(const Expr& e, const Around& around) {
  const auto order = ordered(decide(e.kids[0], around), decide(e.kids[1], around));
  if (!order) return error();
  switch (e.op) {
    case Op::less: return boolean(*order < 0);
    case Op::at_most: return boolean(*order <= 0);
    case Op::more: return boolean(*order > 0);
    default: return boolean(*order >= 0);
  }
}

inline Value decide_text(const Expr& e, const Around& around) {
  const Value of = decide(e.kids[0], around), part = decide(e.kids[1], around);
  if (!of.is(Value::Kind::text) || !part.is(Value::Kind::text)) return error();
  if (e.op == Op::starts) return boolean(of.text.starts_with(part.text));
  if (e.op == Op::ends) return boolean(of.text.ends_with(part.text));
  return boolean(of.text.find(part.text) != std::string::npos);
}

inline Value decide_string(const Value& of) {
  if (of.is(Value::Kind::boolean)) return text_value(of.flag ? "true" : "false");
  const bool has_text = of.is(Value::Kind::number) || of.is(Value::Kind::text);
  return has_text ? text_value(of.text) : error();
}

inline Value decide_size(const Value& of) {
  if (of.is(Value::Kind::text)) return number_value(static_cast<std::int64_t>(of.text.size()));
  if (of.is(Value::Kind::list)) return number_value(static_cast<std::int64_t>(of.items.size()));
  if (of.is(Value::Kind::map)) return number_value(static_cast<std::int64_t>(of.members.size()));
  return error();
}

inline Value decide(const Expr& e, const Around& around) {
  const auto kid = [&](std::size_t at) { return decide(e.kids[at], around); };
  switch (e.op) {
    case Op::constant: return e.value;
    case Op::moment: return moment_value(e.value.text);
    case Op::column: {
      if (around.record == nullptr || !around.record->contains(e.name)) return error();
      return around.record->at(e.name);
    }
    case Op::has_column:
      if (around.record == nullptr) return error();
      if (around.columns != nullptr && contains(*around.columns, e.name)) return boolean(true);
      return boolean(around.record->contains(e.name));
    case Op::user: return around.user != nullptr ? *around.user : null_value();
    case Op::member: return find_member(kid(0), e.name);
    case Op::has: {
      const Value map = kid(0);
      return map.is(Value::Kind::map) ? boolean(map.members.contains(e.name)) : error();
    }
    case Op::list: {
      std::vector<Value> items;
      for (const Expr& each : e.kids) items.push_back(decide(each, around));
      return list_value(std::move(items));
    }
    case Op::string_of: return decide_string(kid(0));
    case Op::size_of: return decide_size(kid(0));
    case Op::equals: return equal(kid(0), kid(1));
    case Op::differs: {
      const Value same = equal(kid(0), kid(1));
      return same.is(Value::Kind::boolean) ? boolean(!same.flag) : error();
    }
    case Op::less:
    case Op::at_most:
    case Op::more:
    case Op::at_least: return decide_order(e, around);
    case Op::in: return contained(kid(0), kid(1));
    case Op::both: return chain(e, around, false);
    case Op::either: return chain(e, around, true);
    case Op::no: {
      const Value value = kid(0);
      return value.is(Value::Kind::boolean) ? boolean(!value.flag) : error();
    }
    case Op::choose: {
      const Value value = kid(0);
      if (!value.is(Value::Kind::boolean)) return error();
      return kid(value.flag ? 1 : 2);
    }
    case Op::starts:
    case Op::ends:
    case Op::holds_text: return decide_text(e, around);
  }
  return error();
}

// The columns that it names.
inline void append_columns(Names& names, const Expr& e) {
  const bool named = e.op == Op::column || e.op == Op::has_column;
  if (named && !contains(names, e.name)) names.push_back(e.name);
  for (const Expr& kid : e.kids) append_columns(names, kid);
}
inline Names columns_of(const Expr& e) {
  Names names;
  append_columns(names, e);
  return names;
}

}  // namespace pgtide::test::leak
