#pragma once
#include <cstdint>
#include <string>

namespace pgtide {

// What a column's JSON, as to_json prints it, is to be read as by rules and filters (docs/rules.md
// has the table). Domains are what they are made of.
enum class ColumnKind : std::uint8_t {
  boolean,    // boolean
  number,     // smallint, integer, bigint, real, double precision, numeric
  text,       // text, varchar, uuid, enums, inet, bytea, and all that to_json prints as a string
  timestamp,  // timestamp with time zone
  day,        // date, and timestamp without time zone: nothing until timestamp() reads it
  list,       // an array
  json,       // json, jsonb, composite types: what it holds
};

// A column's type: its kind, for an array that of its elements too, and its name as messages give
// it: "bigint", "text[]".
struct ColumnType {
  ColumnKind kind = ColumnKind::json;
  ColumnKind element = ColumnKind::json;  // of a list; of arrays in arrays: json
  std::string name{};

  friend bool operator==(const ColumnType&, const ColumnType&) = default;
};

}  // namespace pgtide
