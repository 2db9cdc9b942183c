#pragma once
#include <string>
#include <string_view>

#include "model/column_kind.hpp"
#include "rules/value.hpp"

namespace pgtide {

// What is known of an expression's values before there are any. A column may always be null, too.
struct StaticType {
  bool known = false;  // false: any value
  Value::Kind kind = Value::Kind::error;
  bool element_known = false;  // of a list
  Value::Kind element = Value::Kind::error;
  std::string name{};  // "bigint", "text[]"; empty: the kind's own

  bool is(Value::Kind k) const { return known && kind == k; }
  // Known, and not `k`.
  bool is_other_than(Value::Kind k) const { return known && kind != k; }
};

StaticType type_of_kind(Value::Kind kind);
StaticType type_of_column(const ColumnType& column);
// Of a list's elements; unknown where they are.
StaticType type_of_element(const StaticType& list);

// As messages give it.
std::string name_of(const StaticType& type);

}  // namespace pgtide
