#include "rules/checker.hpp"

#include "model/wording.hpp"
#include "rules/comparison_checker.hpp"
#include "rules/printer.hpp"
#include "rules/static_type.hpp"

namespace pgtide {
namespace {

// Infers types from the leaves up, and reports what is an error whatever the values are. After a
// fault a type is unknown, so that one mistake is one message.
class Checker {
 public:
  Checker(const Scope& scope, std::vector<ExpressionFault>& faults)
      : scope_(scope), faults_(faults) {}

  StaticType type_of(const Node& node);
  // `what` is the place that takes true or false.
  void expect_boolean(const Node& node, std::string_view what);

 private:
  StaticType fault(const Node& node, std::string message) {
    faults_.push_back({node.offset, std::move(message)});
    return {};
  }
  Operand operand(const Node& node) { return {&node, type_of(node)}; }
  // Reports `message` unless it is empty.
  StaticType boolean_unless(const Node& node, std::string message) {
    if (!message.empty()) fault(node, std::move(message));
    return type_of_kind(Value::Kind::boolean);
  }

  StaticType unknown(const Node& node);
  StaticType user(const Node& node);
  StaticType column(const Node& node);
  StaticType member(const Node& node);
  StaticType user_member(const Node& node);
  StaticType index(const Node& node);
  StaticType list(const Node& node);
  StaticType chain(const Node& node, std::string_view word);
  StaticType conditional(const Node& node);
  StaticType membership(const Node& node);
  StaticType has(const Node& node);
  StaticType call(const Node& node);
  StaticType method(const Node& node);
  std::string fault_of_argument(Function function, const Operand& argument) const;

  const Scope& scope_;
  std::vector<ExpressionFault>& faults_;
};

StaticType Checker::type_of(const Node& node) {
  switch (node.kind) {
    case NodeKind::constant:
      return type_of_kind(node.value.kind);
    case NodeKind::unknown:
      return unknown(node);
    case NodeKind::user:
      return user(node);
    case NodeKind::record:
      if (scope_.record == nullptr) return column(node);
      return fault(node,
                   "`record` is the whole row: name a column, as in record.id or record['id']");
    case NodeKind::column:
      return column(node);
    case NodeKind::has_column:
      column(node);
      return type_of_kind(Value::Kind::boolean);
    case NodeKind::member:
      return member(node);
    case NodeKind::index:
      return index(node);
    case NodeKind::list:
      return list(node);
    case NodeKind::negation:
      expect_boolean(node.child(0), "!");
      return type_of_kind(Value::Kind::boolean);
    case NodeKind::all:
      return chain(node, "&&");
    case NodeKind::any:
      return chain(node, "||");
    case NodeKind::conditional:
      return conditional(node);
    case NodeKind::comparison: {
      const Operand left = operand(node.child(0));
      const Operand right = operand(node.child(1));
      return boolean_unless(node, fault_of_comparison(node.comparison, left, right));
    }
    case NodeKind::in:
      return membership(node);
    case NodeKind::has:
      return has(node);
    case NodeKind::call:
      return call(node);
  }
  return {};
}

void Checker::expect_boolean(const Node& node, std::string_view what) {
  const Operand found = operand(node);
  if (!found.type.is_other_than(Value::Kind::boolean)) return;
  fault(node, said_of(found) + ": " + std::string(what) + " takes true or false");
}

StaticType Checker::unknown(const Node& node) {
  const std::string said = "there is no variable " + quoted(node.name);
  const std::string lower = lower_case(node.name);
  if (lower == "null" || lower == "true" || lower == "false") {
    return fault(node, said + ": write " + lower);
  }
  if (scope_.record != nullptr && scope_.record->columns.contains(node.name)) {
    return fault(node, said + ": write record." + node.name);
  }
  std::vector<std::string> known;
  if (scope_.user) known.push_back("user");
  if (scope_.record != nullptr) known.push_back("record");
  std::string mend = did_you_mean(node.name, known);
  if (mend.empty())
    mend = scope_.record == nullptr ? "; there is user" : "; columns are record.NAME";
  return fault(node, said + mend);
}

StaticType Checker::user(const Node& node) {
  if (scope_.user) return type_of_kind(Value::Kind::map);
  return fault(node, "`user` has no place here: a filter asks about the record alone");
}

StaticType Checker::column(const Node& node) {
  if (scope_.record == nullptr) {
    return fault(node,
                 "`record` has no place here: this is decided before there is a row; "
                 "`where` asks about rows");
  }
  const auto& columns = scope_.record->columns;
  const auto found = columns.find(node.name);
  if (found != columns.end()) return type_of_column(found->second);
  if (scope_.record->open) return {};
  std::vector<std::string> known;
  for (const auto& [name, type] : columns) known.push_back(name);
  return fault(node, "there is no column " + quoted(node.name) + did_you_mean(node.name, known));
}

StaticType Checker::user_member(const Node& node) {
  if (!scope_.user) return user(node.child(0));
  if (node.name == "id") return type_of_kind(Value::Kind::text);
  if (node.name == "claims") return type_of_kind(Value::Kind::map);
  if (node.name != "roles") {
    std::string mend = did_you_mean(node.name, {"id", "roles", "claims"});
    if (mend.empty()) mend = "; there are id, roles, claims; a claim is user.claims.NAME";
    return fault(node, "user has no " + quoted(node.name) + mend);
  }
  StaticType type = type_of_kind(Value::Kind::list);
  type.element_known = true;
  type.element = Value::Kind::text;
  return type;
}

StaticType Checker::member(const Node& node) {
  if (node.child(0).is(NodeKind::user)) return user_member(node);
  const Operand of = operand(node.child(0));
  if (!of.type.is_other_than(Value::Kind::map)) return {};
  return fault(node, said_of(of) + ": it has no " + quoted(node.name));
}

StaticType Checker::index(const Node& node) {
  if (node.child(0).is(NodeKind::record) && scope_.record != nullptr) {
    type_of(node.child(1));
    return fault(node, "a column is named by a text between quotes: record['id']");
  }
  const Operand of = operand(node.child(0));
  const Operand at = operand(node.child(1));
  if (node.child(0).is(NodeKind::user) && scope_.user) {
    return fault(node, "write user.id, user.roles or user.claims");
  }
  const bool list = of.type.is(Value::Kind::list), map = of.type.is(Value::Kind::map);
  if (of.type.known && !list && !map) return fault(node, said_of(of) + ": it has no elements");
  if (list && at.type.is_other_than(Value::Kind::number)) {
    return fault(node, said_of(at) + ": a list is indexed by a number, from 0");
  }
  if (map && at.type.is_other_than(Value::Kind::text)) {
    return fault(node, said_of(at) + ": the keys of a map are text");
  }
  return type_of_element(of.type);
}

StaticType Checker::list(const Node& node) {
  for (const NodePointer& child : node.children) type_of(*child);
  return type_of_kind(Value::Kind::list);
}

StaticType Checker::chain(const Node& node, std::string_view word) {
  for (const NodePointer& child : node.children) expect_boolean(*child, word);
  return type_of_kind(Value::Kind::boolean);
}

StaticType Checker::conditional(const Node& node) {
  expect_boolean(node.child(0), "?");
  const StaticType one = type_of(node.child(1));
  const StaticType other = type_of(node.child(2));
  const bool same = one.known && other.known && one.kind == other.kind;
  // null is not of the type of what else it may be.
  if (!same || one.is(Value::Kind::list)) return {};
  return type_of_kind(one.kind);
}

StaticType Checker::membership(const Node& node) {
  const Operand needle = operand(node.child(0));
  const Node& container = node.child(1);
  if (!container.is(NodeKind::list)) {
    return boolean_unless(node, fault_of_membership(needle, operand(container)));
  }
  for (const NodePointer& child : container.children) {
    boolean_unless(*child, fault_of_element(needle, operand(*child)));
  }
  return type_of_kind(Value::Kind::boolean);
}

StaticType Checker::has(const Node& node) {
  if (node.child(0).is(NodeKind::user)) {
    user_member(node);
  } else {
    const Operand of = operand(node.child(0));
    if (of.type.is_other_than(Value::Kind::map)) {
      fault(node, said_of(of) + ": has() looks into a map");
    }
  }
  return type_of_kind(Value::Kind::boolean);
}

StaticType type_of_result(Function function) {
  switch (function) {
    case Function::string:
      return type_of_kind(Value::Kind::text);
    case Function::timestamp:
      return type_of_kind(Value::Kind::timestamp);
    case Function::size:
    case Function::to_int:
    case Function::to_double:
      return type_of_kind(Value::Kind::number);
    default:
      return type_of_kind(Value::Kind::boolean);
  }
}

bool takes(Function function, Value::Kind kind) {
  using Kind = Value::Kind;
  const bool text = kind == Kind::text;
  switch (function) {
    case Function::size:
      return text || kind == Kind::list || kind == Kind::map;
    case Function::string:
      return kind != Kind::null && kind != Kind::list && kind != Kind::map;
    case Function::to_int:
      return text || kind == Kind::number || kind == Kind::timestamp;
    case Function::to_double:
      return text || kind == Kind::number;
    case Function::timestamp:
      return text || kind == Kind::day || kind == Kind::timestamp;
    default:
      return text;
  }
}

const char* taken_by(Function function) {
  switch (function) {
    case Function::size:
      return "a text, a list or a map";
    case Function::string:
      return "a number, true or false, a text, a date or a timestamp";
    case Function::to_int:
      return "a number, a text or a timestamp";
    case Function::to_double:
      return "a number or a text";
    case Function::timestamp:
      return "a text, a date or a timestamp";
    default:
      return "text";
  }
}

std::string Checker::fault_of_argument(Function function, const Operand& argument) const {
  if (!argument.type.known || takes(function, argument.type.kind)) return "";
  return said_of(argument) + ": " + word_of(function) + "() takes " + taken_by(function);
}

StaticType Checker::call(const Node& node) {
  if (is_method(node.function)) return method(node);
  const Operand argument = operand(node.child(0));
  if (std::string message = fault_of_argument(node.function, argument); !message.empty()) {
    fault(node, std::move(message));
  }
  return type_of_result(node.function);
}

StaticType Checker::method(const Node& node) {
  const Operand receiver = operand(node.child(0));
  const Operand argument = operand(node.child(1));
  std::string message = fault_of_argument(node.function, receiver);
  if (receiver.type.is(Value::Kind::list) && node.function == Function::contains) {
    message = said_of(receiver) + ": write " + print_tree(node.child(1)) + " in " +
              print_tree(node.child(0));
  }
  if (message.empty()) message = fault_of_argument(node.function, argument);
  return boolean_unless(node, std::move(message));
}

}  // namespace

std::vector<ExpressionFault> check_tree(const Node& root, const Scope& scope) {
  std::vector<ExpressionFault> faults;
  Checker checker(scope, faults);
  checker.expect_boolean(root, "a rule");
  return faults;
}

}  // namespace pgtide
