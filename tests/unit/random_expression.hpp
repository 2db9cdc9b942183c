#pragma once
#include <nlohmann/json.hpp>
#include <random>

#include "model/principal.hpp"
#include "rules/record_view.hpp"
#include "unit/naive_evaluator.hpp"

// Random expressions, users and rows out of small pools, so that they often have to do with each
// other. All of it is a function of the seed.
namespace pgtide::test::naive {

inline std::string json_string(const std::string& text) {
  return nlohmann::json(text).dump();
}

// As PostgreSQL prints it.
inline std::string to_json(const Value& value) {
  std::string out;
  switch (value.kind) {
    case Value::error:
    case Value::null:
      return "null";
    case Value::boolean:
      return value.truth ? "true" : "false";
    case Value::number:
      return digits_of(value.shown) ? value.shown : json_string(value.shown);
    case Value::text:
    case Value::day:
      return json_string(value.shown);
    case Value::timestamp: {
      const std::string shown = show_moment(value.at);
      return json_string(shown.substr(0, shown.size() - 1) + "+00:00");
    }
    case Value::list:
      for (const Value& item : value.items) out += (out.empty() ? "" : ",") + to_json(item);
      return "[" + out + "]";
    case Value::map:
      for (const auto& [name, member] : value.members) {
        out += (out.empty() ? "" : ", ") + json_string(name) + " : " + to_json(member);
      }
      return "{" + out + "}";
  }
  return out;
}

inline std::string quoted_text(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

// A tree as an expression, with parentheses around everything.
inline std::string to_text(const Tree& tree) {
  const auto child = [&](std::size_t n) { return to_text(*tree.children[n]); };
  const std::string& what = tree.what;
  std::string out;
  if (what == "literal") {
    if (tree.value.kind == Value::text) return quoted_text(tree.value.shown);
    return tree.value.kind == Value::number                ? tree.value.shown
           : described(tree.value).substr(0, 5) == "null " ? "null"
                                                           : described(tree.value);
  }
  if (what == "user") return "user";
  if (what == "column") return "record." + tree.name;
  if (what == "has" && tree.children.empty()) return "has(record['" + tree.name + "'])";
  if (what == "has") return "has(" + child(0) + "." + tree.name + ")";
  if (what == "member") return child(0) + "." + tree.name;
  if (what == "index") return child(0) + "[" + child(1) + "]";
  if (what == "!") return "(!" + child(0) + ")";
  if (what == "?") return "(" + child(0) + " ? " + child(1) + " : " + child(2) + ")";
  if (what == "list") {
    for (std::size_t n = 0; n < tree.children.size(); ++n) out += (n > 0 ? ", " : "") + child(n);
    return "[" + out + "]";
  }
  for (const char* method : {"startsWith", "endsWith", "contains", "matches"}) {
    if (what == method) return child(0) + "." + what + "(" + child(1) + ")";
  }
  for (const char* function : {"string", "int", "double", "timestamp", "size"}) {
    if (what == function) return what + "(" + child(0) + ")";
  }
  for (std::size_t n = 0; n < tree.children.size(); ++n) {
    out += (n > 0 ? " " + what + " " : "") + child(n);
  }
  return "(" + out + ")";
}

class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}
  std::size_t below(std::size_t n) { return random_() % n; }
  bool chance(std::size_t percent) { return below(100) < percent; }
  template <class Item, std::size_t N>
  const Item& one_of(const Item (&items)[N]) {
    return items[below(N)];
  }

 private:
  std::mt19937 random_;
};

inline const std::string numbers[] = {"0",
                                      "-0",
                                      "1",
                                      "1.0",
                                      "10e-1",
                                      "2",
                                      "-1.5",
                                      "-1.50",
                                      "1e3",
                                      "1000",
                                      "123456789012345678901234567890",
                                      "123456789012345678901234567890.5",
                                      "0.1",
                                      "9007199254740993",
                                      "9223372036854775808",
                                      "1E+2",
                                      "0.00000001",
                                      "3"};
inline const std::string texts[] = {"",
                                    "a",
                                    "b",
                                    "ab",
                                    "1",
                                    "1.0",
                                    "2",
                                    "-3",
                                    "it's",
                                    "back\\slash",
                                    "é",
                                    "😀",
                                    "2026-11-23",
                                    "2026-11-23T10:15:30Z",
                                    "2026-11-23T10:15:30.5+02:00",
                                    "NaN",
                                    "true",
                                    "k",
                                    "n",
                                    "line\nbreak"};
inline const std::string literal_texts[] = {"",     "a",          "b",
                                            "ab",   "1",          "1.0",
                                            "-3",   "it's",       "back\\slash",
                                            "é",    "2026-11-23", "2026-11-23T10:15:30Z",
                                            "true", "k",          "n"};
inline const std::string patterns[] = {"a", "^a", "b$", "[ab]+", "^1", "."};
inline const std::string moments[] = {"2026-11-23T00:00:00Z",        "2026-11-23T10:15:30Z",
                                      "2026-11-23T08:15:30.500000Z", "1969-12-31T23:59:59.5Z",
                                      "1970-01-01T00:00:00Z",        "1600-02-29T12:00:00.000001Z"};
inline const std::string days[] = {"2026-11-23", "1969-12-31", "2026-11-23T10:15:30"};
inline const std::string names[] = {"k", "n", "s", "list", "m"};

class Generator {
 public:
  explicit Generator(unsigned seed) : dice_(seed) {}
  Dice& dice() { return dice_; }

  static RecordShape shape() {
    using enum ColumnKind;
    RecordShape shape;
    shape.columns = {{"n1", {number, json, "bigint"}},
                     {"n2", {number, json, "numeric"}},
                     {"t1", {text, json, "text"}},
                     {"t2", {text, json, "uuid"}},
                     {"b1", {boolean, json, "boolean"}},
                     {"ts1", {timestamp, json, "timestamptz"}},
                     {"ts2", {timestamp, json, "timestamptz"}},
                     {"d1", {day, json, "date"}},
                     {"tags", {list, text, "text[]"}},
                     {"nums", {list, number, "bigint[]"}},
                     {"stamps", {list, timestamp, "timestamptz[]"}},
                     {"days", {list, day, "date[]"}},
                     {"doc", {json, json, "jsonb"}},
                     {"doc2", {json, json, "jsonb"}}};
    return shape;
  }

  // The value of one kind, or null.
  Value value(Value::Kind kind, std::size_t null_percent = 15) {
    if (dice_.chance(null_percent)) return make(Value::null);
    Value out = make(kind);
    if (kind == Value::boolean) out.truth = dice_.chance(50);
    if (kind == Value::text) out.shown = dice_.one_of(texts);
    if (kind == Value::day) out.shown = dice_.one_of(days);
    if (kind == Value::timestamp) out.at = *read_moment(dice_.one_of(moments));
    if (kind == Value::number) {
      static const std::string special[] = {"NaN", "Infinity", "-Infinity"};
      out.shown = dice_.chance(10) ? dice_.one_of(special) : dice_.one_of(numbers);
    }
    return out;
  }
  Value list_of(Value::Kind kind) {
    if (dice_.chance(10)) return make(Value::null);
    Value out = make(Value::list);
    for (std::size_t n = dice_.below(4); n > 0; --n) out.items.push_back(value(kind));
    return out;
  }
  // What JSON can hold: no special numbers.
  Value document(int depth) {
    static const Value::Kind kinds[] = {Value::null, Value::boolean, Value::number, Value::text,
                                        Value::text, Value::list,    Value::map,    Value::map};
    Value out = make(dice_.one_of(kinds));
    if (out.kind == Value::number) out.shown = dice_.one_of(numbers);
    if (out.kind == Value::boolean || out.kind == Value::text) out = value(out.kind, 0);
    if (depth == 0) return out;
    if (out.kind == Value::list) {
      for (std::size_t n = dice_.below(4); n > 0; --n) out.items.push_back(document(depth - 1));
    }
    if (out.kind == Value::map) {
      for (const std::string& name : names) {
        if (dice_.chance(60)) out.members.emplace_back(name, document(depth - 1));
      }
    }
    return out;
  }

  std::map<std::string, std::optional<Value>> row() {
    std::map<std::string, std::optional<Value>> row;
    row["n1"] = value(Value::number), row["n2"] = value(Value::number);
    row["t1"] = value(Value::text), row["t2"] = value(Value::text);
    row["b1"] = value(Value::boolean), row["d1"] = value(Value::day);
    row["ts1"] = value(Value::timestamp), row["ts2"] = value(Value::timestamp);
    row["tags"] = list_of(Value::text), row["nums"] = list_of(Value::number);
    row["stamps"] = list_of(Value::timestamp), row["days"] = list_of(Value::day);
    row["doc"] = document(2), row["doc2"] = document(2);
    for (auto& [name, cell] : row) {
      if (dice_.chance(2)) cell.reset();
    }
    return row;
  }

  Value user() {
    Value user = make(Value::map);
    user.members.emplace_back("id", make(Value::text, dice_.one_of(texts)));
    if (find(user, "id")->shown.empty()) user.members[0].second.shown = "a";
    Value roles = make(Value::list);
    for (std::size_t n = dice_.below(4); n > 0; --n) roles.items.push_back(value(Value::text, 0));
    user.members.emplace_back("roles", roles);
    Value claims = document(2);
    if (claims.kind != Value::map) claims = make(Value::map);
    user.members.emplace_back("claims", claims);
    return user;
  }

  TreePointer condition(int depth) { return tree(Value::boolean, depth); }

  // The same with some of its constants and columns exchanged: what decides otherwise must not
  // become of equal text.
  TreePointer sibling(const Tree& tree) {
    auto copy = std::make_shared<Tree>(tree);
    const bool null = tree.what == "literal" && tree.value.kind == Value::null;
    if (null && dice_.chance(50)) return node("member", {claims()}, "n");
    if (tree.what == "member" && dice_.chance(20)) return leaf(Value::null);
    const bool pattern = tree.what == "matches";
    if (tree.what == "literal" && dice_.chance(30)) return leaf(tree.value.kind);
    if ((tree.what == "&&" || tree.what == "||") && dice_.chance(15)) {
      copy->what = tree.what == "&&" ? "||" : "&&";
    }
    for (TreePointer& child : copy->children) {
      if (!pattern || child == copy->children[0]) child = sibling(*child);
    }
    return copy;
  }

  TreePointer tree(Value::Kind kind, int depth) {
    static const Value::Kind kinds[] = {Value::null, Value::boolean,   Value::number,
                                        Value::text, Value::timestamp, Value::day,
                                        Value::list, Value::map};
    if (dice_.chance(2)) kind = dice_.one_of(kinds);
    if (depth > 0 && dice_.chance(8)) {
      return node("?",
                  {tree(Value::boolean, depth - 1), tree(kind, depth - 1), tree(kind, depth - 1)});
    }
    if (depth == 0 || dice_.chance(kind == Value::boolean ? 12 : 45)) return leaf(kind);
    return inner(kind, depth - 1);
  }

 private:
  static TreePointer node(std::string what, std::vector<TreePointer> children,
                          std::string name = {}) {
    auto out = std::make_shared<Tree>();
    out->what = std::move(what), out->children = std::move(children), out->name = std::move(name);
    return out;
  }
  static TreePointer literal(Value value) {
    TreePointer out = node("literal", {});
    out->value = std::move(value);
    return out;
  }
  TreePointer column(std::string name) { return node("column", {}, std::move(name)); }
  TreePointer claims() { return node("member", {node("user", {})}, "claims"); }
  // Into the claims or a document: anything, or an error.
  TreePointer looked_up() {
    TreePointer out = dice_.chance(50) ? claims() : column(dice_.chance(50) ? "doc" : "doc2");
    for (std::size_t n = 1 + dice_.below(2); n > 0; --n) {
      if (dice_.chance(80)) {
        out = node("member", {out}, dice_.one_of(names));
      } else {
        out = node("index", {out, tree(dice_.chance(60) ? Value::number : Value::text, 0)});
      }
    }
    return out;
  }

  TreePointer leaf(Value::Kind kind) {
    if (dice_.chance(9)) return looked_up();
    const bool first = dice_.chance(50), column_wanted = dice_.chance(55);
    switch (kind) {
      case Value::boolean:
        return column_wanted ? column("b1") : literal(truth_of(first));
      case Value::number:
        if (column_wanted) return column(first ? "n1" : "n2");
        return literal(make(Value::number, dice_.one_of(numbers)));
      case Value::text:
        if (dice_.chance(25)) return node("member", {node("user", {})}, "id");
        if (column_wanted) return column(first ? "t1" : "t2");
        return literal(make(Value::text, dice_.one_of(literal_texts)));
      case Value::timestamp:
        if (column_wanted) return column(first ? "ts1" : "ts2");
        return node("timestamp", {literal(make(Value::text, dice_.one_of(moments)))});
      case Value::day:
        return column("d1");
      case Value::list:
        return list_leaf();
      case Value::map:
        if (column_wanted) return column(first ? "doc" : "doc2");
        return first ? claims() : node("user", {});
      default: {
        Value null = make(Value::null);
        null.literal = true;
        return literal(null);
      }
    }
  }
  TreePointer list_leaf() {
    static const std::string lists[] = {"tags", "nums", "stamps", "days"};
    if (dice_.chance(30)) return node("member", {node("user", {})}, "roles");
    return column(dice_.one_of(lists));
  }

  Value::Kind comparable() {
    static const Value::Kind kinds[] = {Value::number, Value::number,    Value::text,
                                        Value::text,   Value::timestamp, Value::boolean};
    return dice_.one_of(kinds);
  }

  TreePointer comparison(int depth) {
    static const std::string words[] = {"==", "==", "==", "!=", "<", "<=", ">", ">="};
    const Value::Kind kind = comparable();
    if (dice_.chance(30)) return node("==", {leaf(kind), constant(kind)});
    TreePointer right = dice_.chance(12) ? leaf(Value::null) : tree(kind, depth);
    TreePointer left = tree(kind, depth);
    if (dice_.chance(30)) std::swap(left, right);
    return node(dice_.one_of(words), {left, right});
  }

  // What no record decides; a null that is the literal, or that is none.
  TreePointer constant(Value::Kind kind) {
    if (dice_.chance(12)) return leaf(Value::null);
    if (dice_.chance(25)) return node("member", {claims()}, dice_.one_of(names));
    if (kind == Value::number) return literal(make(kind, dice_.one_of(numbers)));
    if (kind == Value::text) return literal(make(kind, dice_.one_of(literal_texts)));
    return leaf(kind);
  }

  TreePointer membership(int depth) {
    if (dice_.chance(15)) return node("in", {tree(Value::text, depth), tree(Value::map, depth)});
    const Value::Kind kind = comparable();
    TreePointer needle = dice_.chance(8) ? leaf(Value::null) : tree(kind, depth);
    if (dice_.chance(40)) return node("in", {needle, list_leaf()});
    return node("in", {needle, written_list(kind, depth)});
  }
  TreePointer written_list(Value::Kind kind, int depth) {
    std::vector<TreePointer> items;
    for (std::size_t n = dice_.below(4); n > 0; --n) {
      items.push_back(dice_.chance(12) ? leaf(Value::null) : tree(kind, std::min(depth, 1)));
    }
    return node("list", items);
  }

  TreePointer inner_boolean(int depth) {
    switch (dice_.below(12)) {
      case 0:
        return node("!", {tree(Value::boolean, depth)});
      case 1:
      case 2:
      case 3:
      case 4: {
        std::vector<TreePointer> operands;
        for (std::size_t n = 2 + dice_.below(2); n > 0; --n)
          operands.push_back(tree(Value::boolean, depth));
        return node(dice_.chance(50) ? "&&" : "||", operands);
      }
      case 5:
      case 6:
        return membership(depth);
      case 7: {
        static const std::string methods[] = {"startsWith", "endsWith", "contains"};
        return node(dice_.one_of(methods), {tree(Value::text, depth), tree(Value::text, depth)});
      }
      case 8:
        if (dice_.chance(30)) return node("has", {}, dice_.chance(50) ? "t1" : "doc");
        if (dice_.chance(40)) {
          const auto pattern = literal(make(Value::text, dice_.one_of(patterns)));
          return node("matches", {tree(Value::text, depth), pattern});
        }
        return node("has", {dice_.chance(50) ? looked_up() : tree(Value::map, depth)},
                    dice_.one_of(names));
      default:
        return comparison(depth);
    }
  }

  TreePointer inner(Value::Kind kind, int depth) {
    switch (kind) {
      case Value::boolean:
        return inner_boolean(depth);
      case Value::number: {
        static const std::string functions[] = {"int", "double", "size"};
        const std::string function = dice_.one_of(functions);
        if (function == "size")
          return node(function, {tree(dice_.chance(50) ? Value::text : Value::list, depth)});
        return node(function, {tree(dice_.chance(60) ? Value::number : Value::text, depth)});
      }
      case Value::text:
        return node("string", {tree(dice_.chance(20) ? Value::day : comparable(), depth)});
      case Value::timestamp:
        return node("timestamp", {tree(dice_.chance(50) ? Value::day : Value::text, depth)});
      case Value::list:
        return written_list(comparable(), depth);
      case Value::day:
      case Value::null:
        return node("index", {tree(Value::list, depth), tree(Value::number, 0)});
      default:
        return looked_up();
    }
  }

  Dice dice_;
};

inline Principal to_principal(const Value& user) {
  Principal out;
  out.id = find(user, "id")->shown;
  for (const Value& role : find(user, "roles")->items) out.roles.push_back(role.shown);
  out.claims = to_json(*find(user, "claims"));
  return out;
}

inline std::string to_row(const std::map<std::string, std::optional<Value>>& cells) {
  std::string out;
  for (const auto& [name, cell] : cells) {
    if (cell) out += (out.empty() ? "" : ",") + json_string(name) + ":" + to_json(*cell);
  }
  return "{" + out + "}";
}

}  // namespace pgtide::test::naive
