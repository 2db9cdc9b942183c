#include "rules/specializer.hpp"

#include <algorithm>

#include "rules/decimal.hpp"
#include "rules/evaluator.hpp"

namespace pgtide {
namespace {

bool depends_on_record(const Node& node) {
  if (node.is(NodeKind::column) || node.is(NodeKind::has_column)) return true;
  return std::any_of(node.children.begin(), node.children.end(),
                     [](const NodePointer& child) { return depends_on_record(*child); });
}

bool is_constant(const Node& node) {
  return node.is(NodeKind::constant);
}

bool is_boolean(const Node& node, bool value) {
  return is_constant(node) && node.value.is(Value::Kind::boolean) && node.value.flag == value;
}

NodePointer boolean_node(bool value) {
  return make_constant(Value::boolean(value));
}

// Is its value always a boolean or an error?
bool yields_boolean(const Node& node) {
  switch (node.kind) {
    case NodeKind::negation:
    case NodeKind::all:
    case NodeKind::any:
    case NodeKind::comparison:
    case NodeKind::in:
    case NodeKind::has:
    case NodeKind::has_column:
      return true;
    case NodeKind::call:
      return is_method(node.function);
    case NodeKind::constant:
      return node.value.is(Value::Kind::boolean);
    default:
      return false;
  }
}

// Folds what does not depend on the record.
class Folding {
 public:
  explicit Folding(const Principal* user, const Projection* shown = nullptr)
      : user_(user), shown_(shown) {}

  NodePointer fold(const Node& node) {
    if (!depends_on_record(node)) return evaluated(node);
    NodePointer copy = copy_alone(node);
    for (const NodePointer& child : node.children) copy->children.push_back(fold(*child));
    switch (node.kind) {
      case NodeKind::column:
        return shows(node.name) ? std::move(copy) : make_constant({}, node.offset);
      case NodeKind::has_column:
        return shows(node.name) ? std::move(copy) : boolean_node(false);
      case NodeKind::all:
        return chain(std::move(copy), false);
      case NodeKind::any:
        return chain(std::move(copy), true);
      case NodeKind::conditional:
        return conditional(std::move(copy));
      default:
        return strict(std::move(copy));
    }
  }

 private:
  bool shows(std::string_view column) const {
    return shown_ == nullptr || shown_->shows_in_custom(column);
  }
  NodePointer evaluated(const Node& node) const {
    Scratch scratch;
    return make_constant(evaluate(node, {user_, nullptr}, scratch), node.offset);
  }

  static NodePointer chain(NodePointer node, bool decisive);
  static NodePointer conditional(NodePointer node);
  NodePointer strict(NodePointer node) const;

  const Principal* user_;
  const Projection* shown_;  // null: all
};

NodePointer Folding::chain(NodePointer node, bool decisive) {
  std::vector<NodePointer> open;
  bool error = false;
  for (NodePointer& child : node->children) {
    if (is_boolean(*child, decisive)) return boolean_node(decisive);
    if (!is_constant(*child)) {
      open.push_back(std::move(child));
    } else if (!is_boolean(*child, !decisive)) {
      error = true;
    }
  }
  if (open.empty()) return error ? make_constant({}) : boolean_node(!decisive);
  if (open.size() == 1 && !error && yields_boolean(*open[0])) return std::move(open[0]);
  if (error) open.push_back(make_constant({}));
  // What may be no boolean needs a neighbour, to become the error that it is in a chain.
  if (open.size() == 1) open.push_back(boolean_node(!decisive));
  node->children = std::move(open);
  return node;
}

NodePointer Folding::conditional(NodePointer node) {
  const Node& condition = node->child(0);
  if (!is_constant(condition)) return node;
  if (!condition.value.is(Value::Kind::boolean)) return make_constant({});
  return std::move(node->children[condition.value.flag ? 1 : 2]);
}

Comparison mirrored(Comparison comparison) {
  switch (comparison) {
    case Comparison::less:
      return Comparison::greater;
    case Comparison::less_equal:
      return Comparison::greater_equal;
    case Comparison::greater:
      return Comparison::less;
    case Comparison::greater_equal:
      return Comparison::less_equal;
    default:
      return comparison;
  }
}

// Of nodes that are errors where one of their children is. A constant moves to a comparison's
// right.
NodePointer Folding::strict(NodePointer node) const {
  bool constant = true;
  for (const NodePointer& child : node->children) {
    if (!is_constant(*child)) {
      constant = false;
    } else if (child->value.is(Value::Kind::error)) {
      return make_constant({});
    }
  }
  if (constant) return evaluated(*node);
  if (node->is(NodeKind::comparison) && is_constant(node->child(0))) {
    std::swap(node->children[0], node->children[1]);
    node->comparison = mirrored(node->comparison);
  }
  return node;
}

bool is_nan(const Value& value) {
  if (!value.is(Value::Kind::number)) return false;
  const auto number = parse_decimal(value.text);
  return !number || number->kind == Decimal::Kind::not_a_number;
}

// Does no value but the literal null equal this one?
bool equals_nothing(const Value& value) {
  const bool null = value.is(Value::Kind::null) && !value.flag;
  return null || value.is(Value::Kind::list) || value.is(Value::Kind::map) || is_nan(value);
}

// Of a node that is no constant.
bool may_be_literal_null(const Node& node) {
  return node.is(NodeKind::conditional) || node.is(NodeKind::index);
}

bool is_never_in(const Node& needle, const Node& container) {
  if (is_constant(needle)) return container.is(NodeKind::column) && equals_nothing(needle.value);
  if (!is_constant(container) || may_be_literal_null(needle)) return false;
  const std::vector<Value>* items = container.value.items;
  return items != nullptr && std::all_of(items->begin(), items->end(), equals_nothing);
}

bool is_never_true(const Node& node) {
  if (node.is(NodeKind::in)) return is_never_in(node.child(0), node.child(1));
  const bool equality = node.is(NodeKind::comparison) && node.comparison == Comparison::equal;
  return equality && is_constant(node.child(1)) && equals_nothing(node.child(1).value) &&
         !may_be_literal_null(node.child(0));
}

// Of a tree that is asked for nothing but whether it is true.
NodePointer as_condition(NodePointer node) {
  const bool any = node->is(NodeKind::any);
  if (!any && !node->is(NodeKind::all)) {
    if (is_constant(*node)) return boolean_node(node->value.is_true());
    return is_never_true(*node) ? boolean_node(false) : std::move(node);
  }
  std::vector<NodePointer> open;
  for (NodePointer& child : node->children) {
    NodePointer condition = as_condition(std::move(child));
    if (is_boolean(*condition, any)) return condition;
    if (condition->kind == node->kind) {
      for (NodePointer& inner : condition->children) open.push_back(std::move(inner));
    } else if (!is_constant(*condition)) {
      open.push_back(std::move(condition));
    }
  }
  if (open.empty()) return boolean_node(!any);
  if (open.size() == 1) return std::move(open[0]);
  node->children = std::move(open);
  return node;
}

}  // namespace

NodePointer specialize_tree(const Node& rule, const Principal* user) {
  return as_condition(Folding(user).fold(rule));
}

NodePointer specialize_tree(const Node& filter, const Projection& shown) {
  return as_condition(Folding(nullptr, &shown).fold(filter));
}

NodePointer join_trees(const Node& one, const Node& other) {
  auto both = std::make_unique<Node>(NodeKind::all);
  both->children.push_back(copy_tree(one));
  both->children.push_back(copy_tree(other));
  return as_condition(std::move(both));
}

}  // namespace pgtide
