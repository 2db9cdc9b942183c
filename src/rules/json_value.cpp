#include "rules/json_value.hpp"

#include "model/utf8.hpp"
#include "rules/instant.hpp"

namespace pgtide {

JsonWalk::JsonWalk(std::string_view json) : scanner_(json) {
  scanner_.space();
}

// Stands before the next value of the container, or says that it is over.
bool JsonWalk::enter(char closing) {
  scanner_.space();
  if (!inside_) {
    inside_ = true;
    if (!scanner_.take(closing == ']' ? '[' : '{')) return false;
    scanner_.space();
    return !scanner_.take(closing);
  }
  if (!scanner_.take(',')) return false;
  scanner_.space();
  return true;
}

bool JsonWalk::next_element() {
  if (!enter(']')) return false;
  const std::size_t start = scanner_.at();
  if (!scanner_.value()) return false;
  value_ = scanner_.since(start);
  return true;
}

bool JsonWalk::next_member() {
  if (!enter('}')) return false;
  const std::size_t key_start = scanner_.at();
  if (!scanner_.string()) return false;
  key_ = scanner_.since(key_start);
  scanner_.space();
  if (!scanner_.take(':')) return false;
  scanner_.space();
  const std::size_t start = scanner_.at();
  if (!scanner_.value()) return false;
  value_ = scanner_.since(start);
  return true;
}

namespace {

char32_t hex_value(std::string_view digits) {
  char32_t value = 0;
  for (const char c : digits) {
    const char32_t digit = static_cast<unsigned char>(c);
    value = value * 16 + (c <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
  }
  return value;
}

bool is_low_surrogate(char32_t c) {
  return c >= 0xDC00 && c < 0xE000;
}
bool is_high_surrogate(char32_t c) {
  return c >= 0xD800 && c < 0xDC00;
}

// `text` begins after "\u". Returns how many of its bytes are used.
std::size_t append_unicode_escape(std::string& out, std::string_view text) {
  const char32_t first = hex_value(text.substr(0, 4));
  if (is_high_surrogate(first) && text.substr(4).starts_with("\\u")) {
    const char32_t second = hex_value(text.substr(6, 4));
    if (is_low_surrogate(second)) {
      append_utf8(out, 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00));
      return 10;
    }
  }
  append_utf8(out, first);
  return 4;
}

char unescaped_letter(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return c;
  }
}

// The same text, of a column's string.
Value read_string(std::string_view json, ColumnKind kind, Scratch& scratch) {
  const std::string_view text = decode_json_string(json, scratch);
  if (kind == ColumnKind::number) {
    // PostgreSQL prints oid as a string, and NaN and infinities, for which JSON has no number.
    return scratch.spend(text.size() / digits_per_step) ? Value::number(text) : Value{};
  }
  if (kind == ColumnKind::timestamp) {
    if (!scratch.spend(steps_to_parse_instant(text))) return {};
    const auto instant = parse_instant(text);
    return instant ? Value::timestamp(*instant) : Value{};
  }
  Value value = Value::of_text(text);
  if (kind == ColumnKind::day) value.kind = Value::Kind::day;
  const bool other = kind == ColumnKind::boolean || kind == ColumnKind::list;
  return other ? Value{} : value;
}

Value read_container(std::string_view json, ColumnKind kind, ColumnKind element) {
  Value value;
  value.text = json;
  value.kind = json[0] == '[' ? Value::Kind::list : Value::Kind::map;
  if (kind == ColumnKind::json || kind == ColumnKind::text) return value;
  value.element = element;
  return kind == ColumnKind::list && json[0] == '[' ? value : Value{};
}

// Of a few digits it is part of what has brought us here.
Value read_number(std::string_view json, Scratch& scratch) {
  constexpr std::size_t few = 20;
  if (json.size() > few && !scratch.spend(json.size() / digits_per_step)) return {};
  return Value::number(json);
}

Value read_typed(std::string_view json, const ColumnType& type, Scratch& scratch) {
  const bool any = type.kind == ColumnKind::json || type.kind == ColumnKind::text;
  switch (json[0]) {
    case '"':
      return read_string(json, type.kind, scratch);
    case '{':
    case '[':
      return read_container(json, type.kind, type.element);
    case 'n':
      return Value::null();
    case 't':
    case 'f':
      return any || type.kind == ColumnKind::boolean ? Value::boolean(json[0] == 't') : Value{};
    default:
      return any || type.kind == ColumnKind::number ? read_number(json, scratch) : Value{};
  }
}

}  // namespace

std::string_view decode_json_string(std::string_view quoted, Scratch& scratch) {
  std::string_view rest = quoted.substr(1, quoted.size() - 2);
  std::size_t escape = rest.find('\\');
  if (escape == std::string_view::npos) return rest;
  std::string out;
  for (; escape != std::string_view::npos; escape = rest.find('\\')) {
    out += rest.substr(0, escape);
    if (!scratch.spend(1)) return {};
    const char letter = rest[escape + 1];
    rest.remove_prefix(escape + 2);
    if (letter == 'u') {
      rest.remove_prefix(append_unicode_escape(out, rest));
    } else {
      out += unescaped_letter(letter);
    }
  }
  out += rest;
  return scratch.keep(std::move(out));
}

Value read_json(std::string_view json, Scratch& scratch) {
  return read_column(json, ColumnType{}, scratch);
}

Value read_column(std::string_view json, const ColumnType& type, Scratch& scratch) {
  return json.empty() ? Value{} : read_typed(json, type, scratch);
}

std::optional<std::string_view> find_member(std::string_view object, std::string_view name,
                                            Scratch& scratch) {
  std::optional<std::string_view> found;
  for (JsonWalk walk(object); walk.next_member();) {
    if (!scratch.spend(steps_to_pass(walk.value(), steps_of_member))) return std::nullopt;
    Scratch of_key(scratch.steps_left());  // what an escaped key is made of is gone with it
    if (decode_json_string(walk.key(), of_key) == name) found = walk.value();
    if (!scratch.spend(scratch.steps_left() - of_key.steps_left())) return std::nullopt;
  }
  return found;
}

}  // namespace pgtide
