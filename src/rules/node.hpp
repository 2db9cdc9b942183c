#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rules/value.hpp"

namespace pgtide {

class TextPattern;

enum class NodeKind : std::uint8_t {
  constant,     // value
  unknown,      // name: no variable of ours
  user,         // the variable
  record,       // the variable by itself, which has no value: only its columns do
  column,       // name: of the record
  member,       // child 0, name
  index,        // child 0 [child 1]
  list,         // [children]
  negation,     // ! child 0
  all,          // child 0 && child 1 && ...: two at least
  any,          // child 0 || child 1 || ...
  conditional,  // child 0 ? child 1 : child 2
  comparison,   // child 0 (comparison) child 1
  in,           // child 0 in child 1
  has,          // has(child 0 . name)
  has_column,   // has(record . name)
  call,         // function over its children; the first is the receiver of a method
};

enum class Comparison : std::uint8_t {
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
};

enum class Function : std::uint8_t {
  size,
  string,
  to_int,
  to_double,
  timestamp,
  starts_with,
  ends_with,
  contains,
  matches,
};

struct Node;
using NodePointer = std::unique_ptr<Node>;

// One node of an expression's tree. Chains of && and of || are one node with many children, so that
// a long rule is not a deep one. Depth is bounded when it is parsed, so functions over it recurse.
struct Node {
  NodeKind kind = NodeKind::constant;
  Comparison comparison = Comparison::equal;
  Function function = Function::size;
  std::size_t offset = 0;  // in the expression's text: the byte that a fault points at
  std::size_t depth = 1;   // of the tree below and with it
  std::string name{};
  Value value{};    // of a constant; an error, too, is one
  Scratch owned{};  // what `value` views
  std::vector<NodePointer> children{};
  std::shared_ptr<const TextPattern> pattern{};  // of matches()

  explicit Node(NodeKind k, std::size_t at = 0) : kind(k), offset(at) {}
  const Node& child(std::size_t n) const { return *children[n]; }
  bool is(NodeKind k) const { return kind == k; }
};

NodePointer make_constant(const Value& value, std::size_t offset = 0);
// The node itself, without its children.
NodePointer copy_alone(const Node& node);
NodePointer copy_tree(const Node& node);

// The words of the language.
const char* word_of(Comparison comparison);
const char* word_of(Function function);
bool is_method(Function function);  // x.f(y), not f(x)

}  // namespace pgtide
