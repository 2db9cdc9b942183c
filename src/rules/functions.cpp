#include "rules/decimal.hpp"
#include "rules/instant.hpp"
#include "rules/json_value.hpp"
#include "rules/operations.hpp"
#include "rules/text_pattern.hpp"

namespace pgtide {
namespace {

using Kind = Value::Kind;

Value make_number(std::int64_t number, Scratch& scratch) {
  return Value::number(scratch.keep(std::to_string(number)));
}

std::int64_t count_code_points(std::string_view text) {
  std::int64_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

Value size_of(const Value& value, Scratch& scratch) {
  std::int64_t count = 0;
  bool paid = true;
  if (value.is(Kind::text)) {
    count = count_code_points(value.text);
  } else if (value.is(Kind::list)) {
    paid = for_each_element(value, scratch, [&](const Value&) { return ++count > 0; });
  } else if (value.is(Kind::map)) {
    paid = for_each_name(value, scratch, [&](std::string_view) { return ++count > 0; });
  } else {
    return {};
  }
  return paid ? make_number(count, scratch) : Value{};
}

Value to_whole(const Value& value, Scratch& scratch) {
  if (value.is(Kind::timestamp)) {
    const std::int64_t at = value.integer;
    if (at == instant_infinity || at == instant_minus_infinity) return {};
    constexpr std::int64_t second = 1'000'000;
    return make_number(at / second - (at % second < 0 ? 1 : 0), scratch);
  }
  if (!value.is(Kind::number) && !value.is(Kind::text)) return {};
  const bool is_text = value.is(Kind::text);
  const std::string_view digits = value.text.substr(is_text && value.text.starts_with('-') ? 1 : 0);
  const bool whole = digits.find_first_not_of("0123456789") == std::string_view::npos;
  if (is_text && !whole) return {};
  const auto number = parse_decimal(value.text);
  const auto integer = number ? truncated(*number) : std::nullopt;
  return integer ? make_number(*integer, scratch) : Value{};
}

Value to_number(const Value& value) {
  if (value.is(Kind::number)) return value;
  return value.is(Kind::text) ? Value::number(value.text) : Value{};
}

Value to_timestamp(const Value& value) {
  if (value.is(Kind::timestamp)) return value;
  if (!value.is(Kind::text) && !value.is(Kind::day)) return {};
  const auto instant = parse_instant(value.text);
  return instant ? Value::timestamp(*instant) : Value{};
}

bool matches(const Call& call, std::string_view text) {
  return call.pattern != nullptr && call.pattern->found_in(text);
}

// As std::string_view::find() does it: to each place where the first letter stands, and paid for at
// each, since a text of that letter alone has as many places as bytes.
Value search(std::string_view text, std::string_view asked, Scratch& scratch) {
  constexpr std::size_t compared_bytes = 256;  // at one place, that one step more is enough for
  if (asked.empty()) return Value::boolean(true);
  const std::uint64_t at_each = 1 + asked.size() / compared_bytes;
  for (std::size_t at = text.find(asked[0]); at != std::string_view::npos;
       at = text.find(asked[0], at + 1)) {
    if (text.size() - at < asked.size()) break;
    if (!scratch.spend(at_each)) return {};
    if (text.compare(at, asked.size(), asked) == 0) return Value::boolean(true);
  }
  return Value::boolean(false);
}

Value ask_text(const Call& call, const Value& receiver, const Value& argument, Scratch& scratch) {
  if (!receiver.is(Kind::text) || !argument.is(Kind::text)) return {};
  const std::string_view text = receiver.text, asked = argument.text;
  switch (call.function) {
    case Function::starts_with:
      return Value::boolean(text.starts_with(asked));
    case Function::ends_with:
      return Value::boolean(text.ends_with(asked));
    case Function::contains:
      return search(text, asked, scratch);
    default:
      return Value::boolean(matches(call, text));
  }
}

}  // namespace

Value to_text(const Value& value, Scratch& scratch) {
  switch (value.kind) {
    case Kind::number:
    case Kind::text:
    case Kind::day:
      return Value::of_text(value.text);
    case Kind::boolean:
      return Value::of_text(value.flag ? "true" : "false");
    case Kind::timestamp:
      return Value::of_text(scratch.keep(print_instant(value.integer)));
    default:
      return {};
  }
}

std::uint64_t steps_of(const Call& call, std::span<const Value> arguments) {
  const Value& first = arguments[0];
  const bool text = first.is(Kind::text);
  switch (call.function) {
    case Function::size:  // letter by letter
      return text ? first.text.size() / json_bytes_per_step : steps_to_read(first);
    case Function::string:
      return first.is(Kind::timestamp) ? steps_to_print_instant : 0;
    case Function::to_int:
      return first.text.size();
    case Function::to_double:
      return first.text.size() / digits_per_step;
    case Function::timestamp:
      return steps_to_parse_instant(first.text);
    case Function::starts_with:
    case Function::ends_with:
      return steps_to_read(arguments[1]);
    case Function::contains:
      return steps_to_read(first);
    case Function::matches:
      return call.pattern != nullptr ? call.pattern->steps(first.text) : 0;
  }
  return 0;
}

Value apply(const Call& call, std::span<const Value> arguments, Scratch& scratch) {
  const Value& first = arguments[0];
  switch (call.function) {
    case Function::size:
      return size_of(first, scratch);
    case Function::string:
      return to_text(first, scratch);
    case Function::to_int:
      return to_whole(first, scratch);
    case Function::to_double:
      return to_number(first);
    case Function::timestamp:
      return to_timestamp(first);
    default:
      return ask_text(call, first, arguments[1], scratch);
  }
}

}  // namespace pgtide
