#include "rules/static_type.hpp"

namespace pgtide {
namespace {

// json is any value; a column of text may hold something else only where its type has changed.
Value::Kind value_kind(ColumnKind kind) {
  switch (kind) {
    case ColumnKind::boolean:
      return Value::Kind::boolean;
    case ColumnKind::number:
      return Value::Kind::number;
    case ColumnKind::text:
      return Value::Kind::text;
    case ColumnKind::timestamp:
      return Value::Kind::timestamp;
    case ColumnKind::day:
      return Value::Kind::day;
    case ColumnKind::list:
      return Value::Kind::list;
    case ColumnKind::json:
      break;
  }
  return Value::Kind::error;
}

}  // namespace

StaticType type_of_kind(Value::Kind kind) {
  StaticType type;
  type.known = true;
  type.kind = kind;
  return type;
}

StaticType type_of_column(const ColumnType& column) {
  if (column.kind == ColumnKind::json) return {};
  StaticType type = type_of_kind(value_kind(column.kind));
  type.name = column.name;
  type.element_known = type.is(Value::Kind::list) && column.element != ColumnKind::json;
  type.element = value_kind(column.element);
  return type;
}

StaticType type_of_element(const StaticType& list) {
  if (!list.element_known) return {};
  StaticType type = type_of_kind(list.element);
  type.name = list.name.substr(0, list.name.find("[]"));
  return type;
}

std::string name_of(const StaticType& type) {
  if (!type.name.empty()) return type.name;
  switch (type.kind) {
    case Value::Kind::null:
      return "null";
    case Value::Kind::boolean:
      return "boolean";
    case Value::Kind::number:
      return "number";
    case Value::Kind::text:
      return "text";
    case Value::Kind::timestamp:
      return "timestamp";
    case Value::Kind::day:
      return "timestamp without time zone";
    case Value::Kind::list:
      return "list";
    case Value::Kind::map:
      return "map";
    case Value::Kind::error:
      break;
  }
  return "unknown";
}

}  // namespace pgtide
