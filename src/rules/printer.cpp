#include "rules/printer.hpp"

#include <algorithm>

#include "rules/decimal.hpp"
#include "rules/instant.hpp"

namespace pgtide {
namespace {

// How tightly a node binds; an operand that binds less gets parentheses.
enum Binding { loosest, by_any, by_all, by_relation, by_negation, by_member };

Binding binding_of(const Node& node) {
  switch (node.kind) {
    case NodeKind::conditional:
      return loosest;
    case NodeKind::any:
      return by_any;
    case NodeKind::all:
      return by_all;
    case NodeKind::comparison:
    case NodeKind::in:
      return by_relation;
    case NodeKind::negation:
      return by_negation;
    default:
      return by_member;
  }
}

bool is_plain_name(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (name.empty() || !letter(name[0])) return false;
  return std::all_of(name.begin(), name.end(),
                     [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

class Printer {
 public:
  std::string take() { return std::move(out_); }

  void node(const Node& node, Binding least);

 private:
  void bare(const Node& node);
  // An operand whose number's text nobody can ask for.
  void compared(const Node& node, Binding least);
  void value(const Value& value, bool compared);
  void number(std::string_view text, bool compared);
  void items(const std::vector<Value>& items, bool compared);
  void member(std::string_view name);
  void separated(const Node& node, std::string_view separator, Binding least);
  void conditional(const Node& node);
  void call(const Node& node);

  std::string out_;
};

void Printer::node(const Node& node, Binding least) {
  const bool apart = binding_of(node) < least;
  if (apart) out_ += '(';
  bare(node);
  if (apart) out_ += ')';
}

void Printer::bare(const Node& of) {
  switch (of.kind) {
    case NodeKind::constant:
      return value(of.value, false);
    case NodeKind::unknown:
      out_ += of.name;
      return;
    case NodeKind::user:
      out_ += "user";
      return;
    case NodeKind::record:
      out_ += "record";
      return;
    case NodeKind::column:
      out_ += "record";
      return member(of.name);
    case NodeKind::member:
      node(of.child(0), by_member);
      return member(of.name);
    case NodeKind::index:
      node(of.child(0), by_member);
      out_ += '[';
      node(of.child(1), loosest);
      out_ += ']';
      return;
    case NodeKind::list:
      out_ += '[';
      separated(of, ", ", loosest);
      out_ += ']';
      return;
    case NodeKind::negation:
      out_ += '!';
      return node(of.child(0), by_negation);
    case NodeKind::all:
      return separated(of, " && ", by_all);
    case NodeKind::any:
      return separated(of, " || ", by_any);
    case NodeKind::conditional:
      return conditional(of);
    case NodeKind::comparison:
      compared(of.child(0), by_relation);
      out_.append(" ").append(word_of(of.comparison)).append(" ");
      return compared(of.child(1), by_negation);
    case NodeKind::in:
      compared(of.child(0), by_relation);
      out_ += " in ";
      return compared(of.child(1), by_negation);
    case NodeKind::has:
      out_ += "has(";
      node(of.child(0), by_member);
      member(of.name);
      out_ += ')';
      return;
    case NodeKind::has_column:
      out_ += "has(record";
      member(of.name);
      out_ += ')';
      return;
    case NodeKind::call:
      return call(of);
  }
}

void Printer::compared(const Node& of, Binding least) {
  if (of.is(NodeKind::constant)) return value(of.value, true);
  node(of, least);
}

void Printer::number(std::string_view text, bool compared) {
  const auto decimal = parse_decimal(text);
  const bool finite = decimal && decimal->kind == Decimal::Kind::finite;
  if (!finite) {
    out_.append("double('").append(text).append("')");
  } else if (compared) {
    out_ += canonical_text(*decimal);
  } else {
    out_ += text;
  }
}

void Printer::value(const Value& of, bool compared) {
  switch (of.kind) {
    case Value::Kind::error:
      out_ += "<error>";
      return;
    case Value::Kind::null:
      out_ += of.flag ? "null" : "<null>";
      return;
    case Value::Kind::boolean:
      out_ += of.flag ? "true" : "false";
      return;
    case Value::Kind::number:
      return number(of.text, compared);
    case Value::Kind::text:
      out_ += print_text(of.text);
      return;
    case Value::Kind::timestamp:
      out_.append("timestamp('").append(print_instant(of.integer)).append("')");
      return;
    case Value::Kind::list:
      if (of.items != nullptr) return items(*of.items, compared);
      [[fallthrough]];
    case Value::Kind::day:
    case Value::Kind::map:
      out_.append("<").append(of.text).append(">");
      return;
  }
}

void Printer::items(const std::vector<Value>& of, bool compared) {
  out_ += '[';
  for (std::size_t n = 0; n < of.size(); ++n) {
    if (n > 0) out_ += ", ";
    value(of[n], compared);
  }
  out_ += ']';
}

void Printer::member(std::string_view name) {
  if (is_plain_name(name)) {
    out_.append(".").append(name);
  } else {
    out_.append("[").append(print_text(name)).append("]");
  }
}

void Printer::separated(const Node& of, std::string_view separator, Binding least) {
  for (std::size_t n = 0; n < of.children.size(); ++n) {
    if (n > 0) out_ += separator;
    node(of.child(n), least);
  }
}

void Printer::conditional(const Node& of) {
  node(of.child(0), by_any);
  out_ += " ? ";
  node(of.child(1), loosest);
  out_ += " : ";
  node(of.child(2), loosest);
}

void Printer::call(const Node& of) {
  if (!is_method(of.function)) {
    out_.append(word_of(of.function)).append("(");
    separated(of, ", ", loosest);
  } else {
    node(of.child(0), by_member);
    out_.append(".").append(word_of(of.function)).append("(");
    node(of.child(1), loosest);
  }
  out_ += ')';
}

}  // namespace

std::string print_text(std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out = "'";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\'' || c == '\\') {
      (out += '\\') += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      ((out += "\\x") += digits[byte >> 4]) += digits[byte & 15];
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::string print_tree(const Node& node) {
  Printer printer;
  printer.node(node, loosest);
  return printer.take();
}

}  // namespace pgtide
