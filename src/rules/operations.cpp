#include "rules/operations.hpp"

#include <algorithm>

#include "rules/decimal.hpp"
#include "rules/json_value.hpp"

namespace pgtide {
namespace {

using Kind = Value::Kind;

bool is_literal_null(const Value& value) {
  return value.is(Kind::null) && value.flag;
}

// Nothing but the literal null compares with them.
bool is_incomparable(const Value& value) {
  return value.is(Kind::list) || value.is(Kind::map) || value.is(Kind::day);
}

std::partial_ordering order_of_numbers(const Value& a, const Value& b) {
  if (a.flag && b.flag) return a.integer <=> b.integer;
  const auto one = parse_decimal(a.text);
  const auto other = parse_decimal(b.text);
  return one && other ? compare(*one, *other) : std::partial_ordering::unordered;
}

// Of two values of one kind that has values to compare.
std::partial_ordering order_of(const Value& a, const Value& b) {
  switch (a.kind) {
    case Kind::number:
      return order_of_numbers(a, b);
    case Kind::timestamp:
      return a.integer <=> b.integer;
    case Kind::boolean:
      return a.flag <=> b.flag;
    default: {
      const int order = a.text.compare(b.text);
      return order <=> 0;
    }
  }
}

Value equal(const Value& a, const Value& b) {
  if (a.is(Kind::error) || b.is(Kind::error)) return {};
  if (is_literal_null(a) || is_literal_null(b)) {
    return Value::boolean(a.is(Kind::null) && b.is(Kind::null));
  }
  if (is_incomparable(a) || is_incomparable(b)) return {};
  if (a.is(Kind::null) || b.is(Kind::null)) return Value::boolean(false);
  if (a.kind != b.kind) return {};
  return Value::boolean(order_of(a, b) == 0);
}

Value negated(const Value& value) {
  return value.is(Kind::boolean) ? Value::boolean(!value.flag) : Value{};
}

bool has_order(const Value& value) {
  return value.is(Kind::number) || value.is(Kind::text) || value.is(Kind::timestamp);
}

Value ordered(Comparison comparison, const Value& a, const Value& b) {
  if (a.kind != b.kind || !has_order(a)) return {};
  const std::partial_ordering order = order_of(a, b);
  switch (comparison) {
    case Comparison::less:
      return Value::boolean(order < 0);
    case Comparison::less_equal:
      return Value::boolean(order <= 0);
    case Comparison::greater:
      return Value::boolean(order > 0);
    default:
      return Value::boolean(order >= 0);
  }
}

Value contained_in_list(const Value& needle, const Value& list, Scratch& scratch) {
  Value result = Value::boolean(false);
  bool paid = true;
  const auto look_at = [&](const Value& item) {
    // No more of two texts is read than the shorter one has.
    paid = scratch.spend(std::min(steps_to_read(needle), steps_to_read(item)));
    const Value found = paid ? equal(needle, item) : Value{};
    if (!found.is_false()) result = found;
    return paid && !found.is_true();
  };
  return for_each_element(list, scratch, look_at) && paid ? result : Value{};
}

}  // namespace

Value compare(Comparison comparison, const Value& a, const Value& b) {
  if (comparison == Comparison::equal) return equal(a, b);
  if (comparison == Comparison::not_equal) return negated(equal(a, b));
  return ordered(comparison, a, b);
}

Value contained(const Value& needle, const Value& container, Scratch& scratch) {
  if (needle.is(Kind::error)) return {};
  if (container.is(Kind::list)) return contained_in_list(needle, container, scratch);
  if (!container.is(Kind::map) || !needle.is(Kind::text)) return {};
  const bool there = find_member(container.text, needle.text, scratch).has_value();
  return there || scratch.steps_left() > 0 ? Value::boolean(there) : Value{};
}

Value member(const Value& value, std::string_view name, Scratch& scratch) {
  if (!value.is(Kind::map)) return {};
  const auto json = find_member(value.text, name, scratch);
  return json ? read_json(*json, scratch) : Value{};
}

Value has_member(const Value& value, std::string_view name, Scratch& scratch) {
  return value.is(Kind::map) ? contained(Value::of_text(name), value, scratch) : Value{};
}

Value element(const Value& value, const Value& index, Scratch& scratch) {
  if (value.is(Kind::map) && index.is(Kind::text)) return member(value, index.text, scratch);
  if (!value.is(Kind::list) || !index.is(Kind::number)) return {};
  const auto number = parse_decimal(index.text);
  const auto position = number ? truncated(*number) : std::nullopt;
  if (!position || *position < 0) return {};
  const Value whole = Value::number(scratch.keep(std::to_string(*position)));
  if (order_of_numbers(whole, index) != 0) return {};
  Value found;
  std::int64_t at = 0;
  const bool paid = for_each_element(value, scratch, [&](const Value& item) {
    if (at == *position) found = item;
    return at++ < *position;
  });
  return paid ? found : Value{};
}

}  // namespace pgtide
