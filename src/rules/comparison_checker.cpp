#include "rules/comparison_checker.hpp"

#include "model/wording.hpp"
#include "rules/decimal.hpp"
#include "rules/printer.hpp"

namespace pgtide {
namespace {

bool is_null_type(const Operand& operand) {
  return operand.type.is(Value::Kind::null);
}

bool is_equality(Comparison comparison) {
  return comparison == Comparison::equal || comparison == Comparison::not_equal;
}

std::string said_of_both(const Operand& a, const Operand& b) {
  return said_of(a) + ", " + said_of(b) + ": ";
}

std::string write_call(const char* function, const Operand& operand) {
  return std::string(function) + "(" + print_tree(*operand.node) + ")";
}

// How to turn one of the two into the other's type; "" where there is no way.
std::string converted(const char* function, const Operand& operand) {
  const bool number =
      operand.node->is(NodeKind::constant) && operand.node->value.is(Value::Kind::number);
  return number ? print_text(operand.node->value.text) : write_call(function, operand);
}

// The number that a constant text spells, without its quotes; "" where it is none.
std::string spelled_number(const Operand& operand) {
  const bool text =
      operand.node->is(NodeKind::constant) && operand.node->value.is(Value::Kind::text);
  const auto number = text ? parse_decimal(operand.node->value.text) : std::nullopt;
  const bool finite = number && number->kind == Decimal::Kind::finite;
  return std::string(finite ? operand.node->value.text : std::string_view{});
}

// Not by turning the number into text: there 9 comes after 10, and 1.50 is not 1.5.
std::string mend_of_number(const std::string& middle, const Operand& a, const Operand& b) {
  if (const std::string number = spelled_number(b); !number.empty()) {
    return "write " + print_tree(*a.node) + middle + number;
  }
  if (const std::string number = spelled_number(a); !number.empty()) {
    return "write " + number + middle + print_tree(*b.node);
  }
  return "values of two types do not compare";
}

std::string mend_of(Comparison comparison, const Operand& a, const Operand& b) {
  const std::string middle = std::string(" ") + word_of(comparison) + " ";
  const std::string left = print_tree(*a.node), right = print_tree(*b.node);
  using Kind = Value::Kind;
  const bool number = a.type.is(Kind::number) || b.type.is(Kind::number);
  const bool text = a.type.is(Kind::text) || b.type.is(Kind::text);
  const bool spelled = !spelled_number(a).empty() || !spelled_number(b).empty();
  if (number && text && (spelled || !is_equality(comparison))) return mend_of_number(middle, a, b);
  if (a.type.is(Kind::number) && b.type.is(Kind::text)) {
    return "write " + converted("string", a) + middle + right;
  }
  if (a.type.is(Kind::text) && b.type.is(Kind::number)) {
    return "write " + left + middle + converted("string", b);
  }
  if (a.type.is(Kind::text) && b.type.is(Kind::timestamp)) {
    return "write " + write_call("timestamp", a) + middle + right;
  }
  if (a.type.is(Kind::timestamp) && b.type.is(Kind::text)) {
    return "write " + left + middle + write_call("timestamp", b);
  }
  return "values of two types do not compare";
}

// What compares with nothing but null, on one side of `word`.
std::string fault_of_incomparable(const Operand& operand) {
  if (operand.type.is(Value::Kind::day)) {
    return said_of(operand) + ", which no zone makes a moment: write " +
           write_call("timestamp", operand);
  }
  if (operand.type.is(Value::Kind::list)) {
    return said_of(operand) + ": a list compares with null only; write x in " +
           print_tree(*operand.node);
  }
  if (operand.type.is(Value::Kind::map)) return said_of(operand) + ": it compares with null only";
  return "";
}

std::string fault_of_equality(Comparison comparison, const Operand& a, const Operand& b) {
  if (is_null_type(a) || is_null_type(b)) return "";
  for (const Operand* operand : {&a, &b}) {
    if (std::string fault = fault_of_incomparable(*operand); !fault.empty()) return fault;
  }
  if (!a.type.known || !b.type.known || a.type.kind == b.type.kind) return "";
  return said_of_both(a, b) + mend_of(comparison, a, b);
}

std::string fault_of_order(Comparison comparison, const Operand& a, const Operand& b) {
  for (const Operand* operand : {&a, &b}) {
    if (std::string fault = fault_of_incomparable(*operand); !fault.empty()) return fault;
    const bool unordered = is_null_type(*operand) || operand->type.is(Value::Kind::boolean);
    if (unordered) return said_of(*operand) + ": it has no order";
  }
  if (!a.type.known || !b.type.known || a.type.kind == b.type.kind) return "";
  return said_of_both(a, b) + mend_of(comparison, a, b);
}

}  // namespace

std::string said_of(const Operand& operand) {
  const bool column = operand.node->is(NodeKind::column);
  const bool null = operand.node->is(NodeKind::constant) && is_null_type(operand);
  if (null) return "this is null";
  const std::string what = column ? operand.node->name : print_tree(*operand.node);
  return what + " is " + name_of(operand.type);
}

std::string fault_of_comparison(Comparison comparison, const Operand& a, const Operand& b) {
  return is_equality(comparison) ? fault_of_equality(comparison, a, b)
                                 : fault_of_order(comparison, a, b);
}

std::string fault_of_membership(const Operand& needle, const Operand& container) {
  const StaticType& type = container.type;
  if (!type.known) return "";
  if (type.is(Value::Kind::map)) {
    if (!needle.type.is_other_than(Value::Kind::text)) return "";
    return said_of(needle) + ": the keys of a map are text";
  }
  if (!type.is(Value::Kind::list)) {
    const bool texts = type.is(Value::Kind::text) && needle.type.is(Value::Kind::text);
    const std::string mend = texts ? "; write " + print_tree(*container.node) + ".contains(" +
                                         print_tree(*needle.node) + ")"
                                   : "";
    return said_of(container) + ": 'in' looks into a list or a map" + mend;
  }
  const StaticType element = type_of_element(type);
  if (is_null_type(needle) || !element.known || !needle.type.known) return "";
  if (element.is(Value::Kind::day)) {
    return said_of(container) + ": its elements compare with null only";
  }
  if (std::string fault = fault_of_incomparable(needle); !fault.empty()) return fault;
  if (element.kind == needle.type.kind) return "";
  const bool as_text = element.is(Value::Kind::text) && needle.type.is(Value::Kind::number);
  const std::string mend =
      as_text ? "write " + converted("string", needle) + " in " + print_tree(*container.node)
              : "values of two types do not compare";
  return said_of_both(needle, container) + mend;
}

std::string fault_of_element(const Operand& needle, const Operand& element) {
  return fault_of_equality(Comparison::equal, needle, element);
}

}  // namespace pgtide
