#include "rules/node.hpp"

namespace pgtide {

NodePointer make_constant(const Value& value, std::size_t offset) {
  auto node = std::make_unique<Node>(NodeKind::constant, offset);
  node->value = owned_copy(value, node->owned);
  return node;
}

NodePointer copy_alone(const Node& node) {
  auto copy = std::make_unique<Node>(node.kind, node.offset);
  copy->comparison = node.comparison;
  copy->function = node.function;
  copy->depth = node.depth;
  copy->name = node.name;
  copy->value = owned_copy(node.value, copy->owned);
  copy->pattern = node.pattern;
  return copy;
}

NodePointer copy_tree(const Node& node) {
  NodePointer copy = copy_alone(node);
  for (const NodePointer& child : node.children) copy->children.push_back(copy_tree(*child));
  return copy;
}

const char* word_of(Comparison comparison) {
  switch (comparison) {
    case Comparison::equal:
      return "==";
    case Comparison::not_equal:
      return "!=";
    case Comparison::less:
      return "<";
    case Comparison::less_equal:
      return "<=";
    case Comparison::greater:
      return ">";
    case Comparison::greater_equal:
      return ">=";
  }
  return "";
}

const char* word_of(Function function) {
  switch (function) {
    case Function::size:
      return "size";
    case Function::string:
      return "string";
    case Function::to_int:
      return "int";
    case Function::to_double:
      return "double";
    case Function::timestamp:
      return "timestamp";
    case Function::starts_with:
      return "startsWith";
    case Function::ends_with:
      return "endsWith";
    case Function::contains:
      return "contains";
    case Function::matches:
      return "matches";
  }
  return "";
}

bool is_method(Function function) {
  return function >= Function::starts_with;
}

}  // namespace pgtide
