#include "rules/value.hpp"

#include "rules/decimal.hpp"
#include "rules/json_value.hpp"

namespace pgtide {

Value Value::null(bool literal) {
  Value value;
  value.kind = Kind::null;
  value.flag = literal;
  return value;
}

Value Value::boolean(bool truth) {
  Value value;
  value.kind = Kind::boolean;
  value.flag = truth;
  return value;
}

Value Value::number(std::string_view shown) {
  Value value;
  value.text = shown;
  if (const auto small = parse_small_integer(shown)) {
    value.flag = true;
    value.integer = *small;
  } else if (!parse_decimal(shown)) {
    return value;
  }
  value.kind = Kind::number;
  return value;
}

Value Value::of_text(std::string_view shown) {
  Value value;
  value.kind = Kind::text;
  value.text = shown;
  return value;
}

Value Value::timestamp(std::int64_t instant) {
  Value value;
  value.kind = Kind::timestamp;
  value.integer = instant;
  return value;
}

std::string_view Scratch::keep(std::string text) {
  spend(steps_to_keep);
  return texts_.emplace_front(std::move(text));
}

const std::vector<Value>* Scratch::keep(std::vector<Value> items) {
  spend(steps_to_keep);
  return &lists_.emplace_front(std::move(items));
}

namespace {

Value copy_with_text(const Value& value, Scratch& owner) {
  Value copy = value;
  copy.text = owner.keep(std::string(value.text));
  return copy;
}

}  // namespace

Value owned_copy(const Value& value, Scratch& owner) {
  if (!value.is(Value::Kind::list)) return copy_with_text(value, owner);
  std::vector<Value> items;
  const bool json = value.items == nullptr;
  for_each_element(value, owner, [&](const Value& item) {
    // A list in a JSON list stays JSON: how deep they go is not ours to decide.
    items.push_back(json ? copy_with_text(item, owner) : owned_copy(item, owner));
    return true;
  });
  Value copy;
  copy.kind = Value::Kind::list;
  copy.items = owner.keep(std::move(items));
  return copy;
}

}  // namespace pgtide
