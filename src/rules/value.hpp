#pragma once
#include <cstdint>
#include <forward_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/column_kind.hpp"

namespace pgtide {

// A value of the rules language, or that there is none (error). A view: its texts stand in the row,
// the claims, the expression, or a Scratch. Lists and maps that come out of JSON stay JSON until
// they are looked into, so that a decision over a row allocates next to nothing.
struct Value {
  enum class Kind : std::uint8_t {
    error,
    null,
    boolean,
    number,
    text,
    timestamp,
    day,  // date, or timestamp without zone
    list,
    map,
  };
  Kind kind = Kind::error;
  bool flag = false;  // boolean: its value; null: is the literal; number: `integer` has it
  ColumnKind element = ColumnKind::json;      // of a list that is JSON
  std::int64_t integer = 0;                   // a small whole number; timestamp: see instant.hpp
  std::string_view text{};                    // number, text, day: itself; list, map: JSON
  const std::vector<Value>* items = nullptr;  // a list that is not JSON

  bool is(Kind k) const { return kind == k; }
  bool is_true() const { return kind == Kind::boolean && flag; }
  bool is_false() const { return kind == Kind::boolean && !flag; }

  static Value null(bool literal = false);
  static Value boolean(bool value);
  static Value number(std::string_view text);  // error where it is none
  static Value of_text(std::string_view text);
  static Value timestamp(std::int64_t instant);
};

// Keeps what values are made of for as long as it lives itself, and counts what making them takes.
// Costs nothing until it is used.
//
// A *step* is about 7 ns of work: a part of an expression, or so many bytes of a text that must be
// looked at. Steps and not time, so that the same row takes the same everywhere.
class Scratch {
 public:
  static constexpr std::uint64_t unlimited = static_cast<std::uint64_t>(-1);

  explicit Scratch(std::uint64_t steps_max = unlimited) : steps_left_(steps_max) {}

  std::string_view keep(std::string text);
  const std::vector<Value>* keep(std::vector<Value> items);

  // False where there are not so many left: then none are, what they were for must not be done,
  // and its value is an error.
  bool spend(std::uint64_t steps) {
    const bool enough = steps <= steps_left_;
    steps_left_ = enough ? steps_left_ - steps : 0;
    return enough;
  }
  std::uint64_t steps_left() const { return steps_left_; }

 private:
  std::uint64_t steps_left_;
  std::forward_list<std::string> texts_;
  std::forward_list<std::vector<Value>> lists_;
};

// Steps to walk over what there is of it: a text or a number byte by byte, a list or a map member
// by member.
inline std::uint64_t steps_to_read(const Value& value) {
  constexpr std::uint64_t text_bytes = 64, json_bytes = 16;  // that one step is enough for
  switch (value.kind) {
    case Value::Kind::text:
      return value.text.size() / text_bytes;
    case Value::Kind::number:
      return value.flag ? 0 : value.text.size() / json_bytes;
    case Value::Kind::list:
      return value.items != nullptr ? value.items->size() : value.text.size() / json_bytes;
    case Value::Kind::map:
      return value.text.size() / json_bytes;
    default:
      return 0;
  }
}

// `value` with everything that it views copied into `owner`. A JSON list becomes one of items.
Value owned_copy(const Value& value, Scratch& owner);

}  // namespace pgtide
