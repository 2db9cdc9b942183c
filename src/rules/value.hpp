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
// looked at. Steps and not time, so that the same row takes the same everywhere. What a stranger
// may choose (elements of one digit, letters that all but match) is counted where it is met, since
// the bytes do not tell what it takes.
class Scratch {
 public:
  static constexpr std::uint64_t steps_to_keep = 8;
  static constexpr std::uint64_t unlimited = static_cast<std::uint64_t>(-1);

  explicit Scratch(std::uint64_t steps_max = unlimited) : steps_left_(steps_max) {}

  // Each takes steps_to_keep.
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

// What steps are enough for: bytes that are compared or searched, bytes of JSON strings that are
// passed by, and of a number with more than 19 digits.
inline constexpr std::uint64_t text_bytes_per_step = 64;
inline constexpr std::uint64_t json_bytes_per_step = 16;
inline constexpr std::uint64_t digits_per_step = 2;

// Steps to pass by the bytes of it. What a list or a map has in it is paid for as it is met.
inline std::uint64_t steps_to_read(const Value& value) {
  switch (value.kind) {
    case Value::Kind::text:
      return value.text.size() / text_bytes_per_step;
    case Value::Kind::number:
      return value.flag ? 0 : value.text.size() / digits_per_step;
    case Value::Kind::list:
      return value.items != nullptr ? value.items->size()
                                    : value.text.size() / json_bytes_per_step;
    case Value::Kind::map:
      return value.text.size() / json_bytes_per_step;
    default:
      return 0;
  }
}

// `value` with everything that it views copied into `owner`. A JSON list becomes one of items.
Value owned_copy(const Value& value, Scratch& owner);

}  // namespace pgtide
