#include "rules/index_plan.hpp"

#include <algorithm>
#include <optional>

#include "rules/decimal.hpp"
#include "rules/evaluator.hpp"
#include "rules/json_value.hpp"
#include "rules/operations.hpp"

namespace pgtide {
namespace {

using Of = IndexDimension::Of;

constexpr std::size_t terms_max = 1'000;
constexpr char null_mark = '0', boolean_mark = 'b';

// A key begins with its type. None: nothing equals such a value.
std::optional<std::string> key_of(const Value& value) {
  switch (value.kind) {
    case Value::Kind::null:
      return std::string(1, null_mark);
    case Value::Kind::boolean:
      return std::string(1, boolean_mark) + (value.flag ? '1' : '0');
    case Value::Kind::text:
      return "t" + std::string(value.text);
    case Value::Kind::timestamp:
      return "i" + std::to_string(value.integer);
    case Value::Kind::number: {
      const auto number = parse_decimal(value.text);
      if (!number || number->kind == Decimal::Kind::not_a_number) return std::nullopt;
      return "n" + canonical_text(*number);
    }
    default:
      return std::nullopt;
  }
}

// The key of a constant that a column is compared with.
std::optional<std::string> key_of_constant(const Value& value, Of of) {
  if (value.is(Value::Kind::null) && !value.flag) return std::nullopt;
  if (of == Of::text && !value.is(Value::Kind::text)) return std::nullopt;
  return key_of(value);
}

std::size_t weight_of(const IndexPlan& plan) {
  std::size_t weight = 0;
  for (const IndexTerm& term : plan.terms) {
    weight += is_frequent(term) ? terms_max : 1;
  }
  return weight;
}

void finish_plan(IndexPlan& plan) {
  std::sort(plan.terms.begin(), plan.terms.end());
  plan.terms.erase(std::unique(plan.terms.begin(), plan.terms.end()), plan.terms.end());
  if (plan.terms.empty() || plan.terms.size() > terms_max) plan = {};
}

IndexPlan plan_of(const IndexDimension& dimension, const std::vector<Value>& constants) {
  IndexPlan plan{true, true, {}};
  if (constants.size() > terms_max) return {};
  for (const Value& constant : constants) {
    if (auto key = key_of_constant(constant, dimension.of)) {
      plan.terms.push_back({dimension, std::move(*key)});
    }
  }
  finish_plan(plan);
  return plan;
}

// record.c, or string(record.c).
std::optional<IndexDimension> dimension_of(const Node& node) {
  if (node.is(NodeKind::column)) return IndexDimension{node.name, Of::value};
  const bool text = node.is(NodeKind::call) && node.function == Function::string;
  if (!text || !node.child(0).is(NodeKind::column)) return std::nullopt;
  return IndexDimension{node.child(0).name, Of::text};
}

IndexPlan plan_membership(const Node& node) {
  const Node& needle = node.child(0);
  const Node& container = node.child(1);
  if (needle.is(NodeKind::constant)) {
    if (!container.is(NodeKind::column)) return {};
    return plan_of({container.name, Of::element}, {needle.value});
  }
  const auto dimension = dimension_of(needle);
  const bool listed = container.is(NodeKind::constant) && container.value.items != nullptr;
  return dimension && listed ? plan_of(*dimension, *container.value.items) : IndexPlan{};
}

IndexPlan plan_equality(const Node& node) {
  const bool equal = node.comparison == Comparison::equal;
  if (!equal || !node.child(1).is(NodeKind::constant)) return {};
  const auto dimension = dimension_of(node.child(0));
  return dimension ? plan_of(*dimension, {node.child(1).value}) : IndexPlan{};
}

IndexPlan plan_any(const Node& node) {
  IndexPlan plan{true, true, {}};
  for (const NodePointer& child : node.children) {
    const IndexPlan part = plan_index(*child);
    if (!part.served) return {};
    plan.exact = plan.exact && part.exact;
    plan.terms.insert(plan.terms.end(), part.terms.begin(), part.terms.end());
  }
  finish_plan(plan);
  return plan;
}

IndexPlan plan_all(const Node& node) {
  IndexPlan best;
  for (const NodePointer& child : node.children) {
    IndexPlan part = plan_index(*child);
    if (!part.served) continue;
    if (!best.served || weight_of(part) < weight_of(best)) best = std::move(part);
  }
  best.exact = false;
  return best;
}

// A column as a condition, or its negation.
IndexPlan plan_flag(const Node& column, bool value) {
  if (!column.is(NodeKind::column)) return {};
  return plan_of({column.name, Of::value}, {Value::boolean(value)});
}

void append_key(std::vector<std::string>& keys, const Value& value) {
  if (auto key = key_of(value)) keys.push_back(std::move(*key));
}

void append_element_keys(std::vector<std::string>& keys, const Value& value, Scratch& scratch) {
  if (value.is(Value::Kind::list)) {
    for_each_element(value, scratch, [&](const Value& item) {
      append_key(keys, item);
      return true;
    });
  } else if (value.is(Value::Kind::map)) {
    for_each_name(value, scratch, [&](std::string_view name) {
      append_key(keys, Value::of_text(name));
      return true;
    });
  }
}

}  // namespace

bool is_frequent(const IndexTerm& term) {
  return term.key[0] == null_mark || term.key[0] == boolean_mark;
}

IndexPlan plan_index(const Node& condition) {
  switch (condition.kind) {
    case NodeKind::all:
      return plan_all(condition);
    case NodeKind::any:
      return plan_any(condition);
    case NodeKind::comparison:
      return plan_equality(condition);
    case NodeKind::in:
      return plan_membership(condition);
    case NodeKind::column:
      return plan_flag(condition, true);
    case NodeKind::negation:
      return plan_flag(condition.child(0), false);
    default:
      return {};
  }
}

void append_index_keys(std::vector<std::string>& keys, const RecordView& record,
                       const IndexDimension& dimension) {
  Scratch scratch;
  const Value value = read_record_column(record, dimension.column, scratch);
  switch (dimension.of) {
    case Of::value:
      return append_key(keys, value);
    case Of::text:
      return append_key(keys, to_text(value, scratch));
    case Of::element:
      return append_element_keys(keys, value, scratch);
  }
}

}  // namespace pgtide
