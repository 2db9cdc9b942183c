#pragma once
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <utility>
#include <vector>

// The rules language once more, as plainly as it can be written: values are whole trees, numbers
// are padded with zeros until they have equal length, nothing is folded, nothing is fast. It shares
// no line with src/rules, not even the parser: its trees are made, not read.
namespace pgtide::test::naive {

struct Value {
  enum Kind { error, null, boolean, number, text, timestamp, day, list, map };
  Kind kind = error;
  bool literal = false;  // of null
  bool truth = false;
  std::string shown{};  // number, text, day
  long long at = 0;     // timestamp, in microseconds
  std::vector<Value> items{};
  std::vector<std::pair<std::string, Value>> members{};
};

inline Value make(Value::Kind kind, std::string shown = {}) {
  Value value;
  value.kind = kind;
  value.shown = std::move(shown);
  return value;
}

inline Value truth_of(bool truth) {
  Value value = make(Value::boolean);
  value.truth = truth;
  return value;
}

// Numbers: digits, of which `fraction` stand after the point. Only small exponents come here.
struct Digits {
  bool negative = false;
  std::string digits{};
  int fraction = 0;
};

inline std::optional<Digits> digits_of(const std::string& text) {
  static const std::regex form("(-?)([0-9]+)(?:\\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?");
  std::smatch parts;
  if (!std::regex_match(text, parts, form)) return std::nullopt;
  Digits out;
  out.negative = parts[1].length() > 0;
  out.digits = parts[2].str() + parts[3].str();
  out.fraction = static_cast<int>(parts[3].length());
  const int exponent = parts[4].matched ? std::stoi(parts[4].str()) : 0;
  out.fraction -= exponent;
  while (out.fraction < 0) out.digits += '0', ++out.fraction;
  return out;
}

inline int rank_of_special(const std::string& text) {
  return text == "Infinity" ? 1 : text == "-Infinity" ? -1 : 0;
}

// Less than 0, 0, more than 0; none: not ordered.
inline std::optional<int> compare_numbers(const std::string& a, const std::string& b) {
  if (a == "NaN" || b == "NaN") return std::nullopt;
  if (rank_of_special(a) != 0 || rank_of_special(b) != 0) {
    return rank_of_special(a) - rank_of_special(b);
  }
  Digits x = *digits_of(a), y = *digits_of(b);
  while (x.fraction < y.fraction) x.digits += '0', ++x.fraction;
  while (y.fraction < x.fraction) y.digits += '0', ++y.fraction;
  const std::size_t size = std::max(x.digits.size(), y.digits.size());
  x.digits.insert(0, size - x.digits.size(), '0');
  y.digits.insert(0, size - y.digits.size(), '0');
  const std::string zero(size, '0');
  const bool x_negative = x.negative && x.digits != zero,
             y_negative = y.negative && y.digits != zero;
  if (x_negative != y_negative) return x_negative ? -1 : 1;
  const int order = x.digits.compare(y.digits);
  return x_negative ? -order : order;
}

// "2026-11-23", or with "T10:15:30", a fraction and a zone.
inline std::optional<long long> read_moment(const std::string& text) {
  static const std::regex form(
      "([0-9]{4})-([0-9]{2})-([0-9]{2})(?:T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\\.([0-9]{1,6}))?"
      "(?:Z|([+-])([0-9]{2}):([0-9]{2}))?)?");
  std::smatch parts;
  if (!std::regex_match(text, parts, form)) return std::nullopt;
  const auto number = [&](std::size_t n) {
    return parts[n].matched ? std::stoi(parts[n].str()) : 0;
  };
  const std::chrono::year_month_day date{std::chrono::year(number(1)),
                                         std::chrono::month(static_cast<unsigned>(number(2))),
                                         std::chrono::day(static_cast<unsigned>(number(3)))};
  if (!date.ok()) return std::nullopt;
  const long long days = std::chrono::sys_days(date).time_since_epoch().count();
  long long seconds = days * 86400 + number(4) * 3600 + number(5) * 60 + number(6);
  const int offset = number(9) * 3600 + number(10) * 60;
  seconds -= parts[8].str() == "-" ? -offset : offset;
  std::string fraction = parts[7].str();
  fraction.resize(6, '0');
  return seconds * 1000000 + std::stoll(fraction);
}

inline std::string show_moment(long long at) {
  long long seconds = at / 1000000, rest = at % 1000000;
  if (rest < 0) rest += 1000000, --seconds;
  long long days = seconds / 86400, clock = seconds % 86400;
  if (clock < 0) clock += 86400, --days;
  const std::chrono::year_month_day date{
      std::chrono::sys_days(std::chrono::days(static_cast<int>(days)))};
  char out[80];
  std::snprintf(out, sizeof out, "%04d-%02u-%02uT%02lld:%02lld:%02lld", int(date.year()),
                unsigned(date.month()), unsigned(date.day()), clock / 3600, clock / 60 % 60,
                clock % 60);
  std::string text = out;
  if (rest != 0) {
    std::snprintf(out, sizeof out, ".%06lld", rest);
    text += out;
    while (text.back() == '0') text.pop_back();
  }
  return text + "Z";
}

struct Tree;
using TreePointer = std::shared_ptr<Tree>;

// what: "literal" (value), "user", "column" (name), "member" (name), "index", "list", "!", "&&",
// "||", "?", "==" and the other comparisons, "in", "has" (name; no child: of the record), or a
// function's name.
struct Tree {
  std::string what{};
  std::string name{};
  Value value{};
  std::vector<TreePointer> children{};
};

struct World {
  const Value* user = nullptr;                                       // a map, or null
  const std::map<std::string, std::optional<Value>>* row = nullptr;  // no value: not in this row
};

inline Value same(const Value& a, const Value& b) {
  if (a.kind == Value::error || b.kind == Value::error) return {};
  const bool a_literal = a.kind == Value::null && a.literal,
             b_literal = b.kind == Value::null && b.literal;
  if (a_literal) return truth_of(b.kind == Value::null);
  if (b_literal) return truth_of(a.kind == Value::null);
  for (const Value* side : {&a, &b}) {
    if (side->kind == Value::list || side->kind == Value::map || side->kind == Value::day)
      return {};
  }
  if (a.kind == Value::null || b.kind == Value::null) return truth_of(false);
  if (a.kind != b.kind) return {};
  if (a.kind == Value::boolean) return truth_of(a.truth == b.truth);
  if (a.kind == Value::timestamp) return truth_of(a.at == b.at);
  if (a.kind == Value::text) return truth_of(a.shown == b.shown);
  const auto order = compare_numbers(a.shown, b.shown);
  return truth_of(order && *order == 0);
}

inline Value flipped(const Value& value) {
  return value.kind == Value::boolean ? truth_of(!value.truth) : Value{};
}

inline Value order(const std::string& word, const Value& a, const Value& b) {
  std::optional<int> found;
  if (a.kind != b.kind) return {};
  if (a.kind == Value::number) {
    found = compare_numbers(a.shown, b.shown);
  } else if (a.kind == Value::text) {
    found = a.shown < b.shown ? -1 : a.shown > b.shown ? 1 : 0;
  } else if (a.kind == Value::timestamp) {
    found = a.at < b.at ? -1 : a.at > b.at ? 1 : 0;
  } else {
    return {};
  }
  if (!found) return truth_of(false);
  if (word == "<") return truth_of(*found < 0);
  if (word == "<=") return truth_of(*found <= 0);
  if (word == ">") return truth_of(*found > 0);
  return truth_of(*found >= 0);
}

inline const Value* find(const Value& map, const std::string& name) {
  for (const auto& [key, value] : map.members) {
    if (key == name) return &value;
  }
  return nullptr;
}

inline Value within(const Value& a, const Value& b) {
  if (a.kind == Value::error) return {};
  if (b.kind == Value::map) {
    return a.kind == Value::text ? truth_of(find(b, a.shown) != nullptr) : Value{};
  }
  if (b.kind != Value::list) return {};
  bool error = false;
  for (const Value& item : b.items) {
    const Value found = same(a, item);
    if (found.kind == Value::boolean && found.truth) return truth_of(true);
    error = error || found.kind == Value::error;
  }
  return error ? Value{} : truth_of(false);
}

inline Value at_index(const Value& of, const Value& index) {
  if (of.kind == Value::map && index.kind == Value::text) {
    const Value* found = find(of, index.shown);
    return found == nullptr ? Value{} : *found;
  }
  if (of.kind != Value::list || index.kind != Value::number) return {};
  for (std::size_t n = 0; n < of.items.size(); ++n) {
    const auto order = compare_numbers(index.shown, std::to_string(n));
    if (order && *order == 0) return of.items[n];
  }
  return {};
}

inline Value to_int(const Value& value) {
  std::string text = value.shown;
  if (value.kind == Value::timestamp) {
    const long long rest = value.at % 1000000;
    return make(Value::number, std::to_string(value.at / 1000000 - (rest < 0 ? 1 : 0)));
  }
  if (value.kind == Value::text && !std::regex_match(text, std::regex("-?[0-9]+"))) return {};
  if (value.kind != Value::text && value.kind != Value::number) return {};
  const auto digits = digits_of(text);
  if (!digits) return {};
  std::string whole = "0";
  const int size = static_cast<int>(digits->digits.size()) - digits->fraction;
  if (size > 0) whole += digits->digits.substr(0, static_cast<std::size_t>(size));
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size() - 1));
  if (digits->negative && whole != "0") whole = "-" + whole;
  const bool fits = *compare_numbers(whole, "9223372036854775807") <= 0 &&
                    *compare_numbers(whole, "-9223372036854775808") >= 0;
  return fits ? make(Value::number, whole) : Value{};
}

inline Value call(const std::string& function, const std::vector<Value>& arguments) {
  const Value& one = arguments[0];
  if (function == "string") {
    if (one.kind == Value::boolean) return make(Value::text, one.truth ? "true" : "false");
    if (one.kind == Value::timestamp) return make(Value::text, show_moment(one.at));
    const bool shown =
        one.kind == Value::number || one.kind == Value::text || one.kind == Value::day;
    return shown ? make(Value::text, one.shown) : Value{};
  }
  if (function == "int") return to_int(one);
  if (function == "double") {
    if (one.kind == Value::number) return one;
    const bool special = one.shown == "NaN" || rank_of_special(one.shown) != 0;
    const bool number = one.kind == Value::text && (special || digits_of(one.shown));
    return number ? make(Value::number, one.shown) : Value{};
  }
  if (function == "timestamp") {
    if (one.kind == Value::timestamp) return one;
    if (one.kind != Value::text && one.kind != Value::day) return {};
    const auto at = read_moment(one.shown);
    Value value = make(at ? Value::timestamp : Value::error);
    value.at = at.value_or(0);
    return value;
  }
  if (function == "size") {
    if (one.kind == Value::list) return make(Value::number, std::to_string(one.items.size()));
    if (one.kind == Value::map) return make(Value::number, std::to_string(one.members.size()));
    if (one.kind != Value::text) return {};
    const auto first = [](char c) { return (static_cast<unsigned char>(c) >> 6) != 2; };
    const auto count = std::count_if(one.shown.begin(), one.shown.end(), first);
    return make(Value::number, std::to_string(count));
  }
  const Value& other = arguments[1];
  if (one.kind != Value::text || other.kind != Value::text) return {};
  const std::string &text = one.shown, &part = other.shown;
  if (function == "contains") return truth_of(text.find(part) != std::string::npos);
  if (part.size() > text.size() && function != "matches") return truth_of(false);
  if (function == "startsWith") return truth_of(text.compare(0, part.size(), part) == 0);
  if (function == "endsWith") return truth_of(text.substr(text.size() - part.size()) == part);
  return truth_of(std::regex_search(text, std::regex(part)));
}

inline Value value_of(const Tree& tree, const World& world) {
  if (tree.what == "literal") return tree.value;
  if (tree.what == "user") return world.user == nullptr ? make(Value::null) : *world.user;
  if (tree.what == "column") {
    const auto found = world.row->find(tree.name);
    return found == world.row->end() || !found->second ? Value{} : *found->second;
  }
  if (tree.what == "has" && tree.children.empty()) return truth_of(world.row->contains(tree.name));
  if (tree.what == "?") {
    const Value condition = value_of(*tree.children[0], world);
    if (condition.kind != Value::boolean) return {};
    return value_of(*tree.children[condition.truth ? 1 : 2], world);
  }
  std::vector<Value> values;
  for (const TreePointer& child : tree.children) values.push_back(value_of(*child, world));
  if (tree.what == "&&" || tree.what == "||") {
    const bool decisive = tree.what == "||";
    bool error = false;
    for (const Value& value : values) {
      if (value.kind == Value::boolean && value.truth == decisive) return value;
      error = error || value.kind != Value::boolean;
    }
    return error ? Value{} : truth_of(!decisive);
  }
  for (const Value& value : values) {
    if (value.kind == Value::error) return {};
  }
  if (tree.what == "!") return flipped(values[0]);
  if (tree.what == "list") {
    Value list = make(Value::list);
    list.items = values;
    return list;
  }
  if (tree.what == "==") return same(values[0], values[1]);
  if (tree.what == "!=") return flipped(same(values[0], values[1]));
  if (tree.what[0] == '<' || tree.what[0] == '>') return order(tree.what, values[0], values[1]);
  if (tree.what == "in") return within(values[0], values[1]);
  if (tree.what == "index") return at_index(values[0], values[1]);
  if (tree.what == "member") {
    const Value* found = values[0].kind == Value::map ? find(values[0], tree.name) : nullptr;
    return found == nullptr ? Value{} : *found;
  }
  if (tree.what == "has") {
    return values[0].kind == Value::map ? truth_of(find(values[0], tree.name) != nullptr) : Value{};
  }
  return call(tree.what, values);
}

// The whole value as one text, to compare with what others say it is.
inline std::string described(const Value& value) {
  std::string out;
  switch (value.kind) {
    case Value::error:
      return "error";
    case Value::null:
      return value.literal ? "null literal" : "null";
    case Value::boolean:
      return value.truth ? "true" : "false";
    case Value::number:
      return "number " + value.shown;
    case Value::text:
      return "text " + value.shown;
    case Value::day:
      return "day " + value.shown;
    case Value::timestamp:
      return "timestamp " + std::to_string(value.at);
    case Value::list:
      for (const Value& item : value.items) out += described(item) + ",";
      return "[" + out + "]";
    case Value::map:
      for (const auto& [name, member] : value.members) out += name + ":" + described(member) + ",";
      return "{" + out + "}";
  }
  return out;
}

}  // namespace pgtide::test::naive
