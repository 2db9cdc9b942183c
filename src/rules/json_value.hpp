#pragma once
#include <optional>
#include <string_view>

#include "model/column_kind.hpp"
#include "model/json_scanner.hpp"
#include "rules/value.hpp"

// JSON texts read as values. All of them are total: what is no JSON ends a walk or is an error.
namespace pgtide {

// The elements of a JSON array, or the members of an object, one after the other.
class JsonWalk {
 public:
  explicit JsonWalk(std::string_view json);
  bool next_element();  // false: there are no more
  bool next_member();

  std::string_view key() const { return key_; }  // as it stands, with its quotes
  std::string_view value() const { return value_; }

 private:
  bool enter(char closing);

  JsonScanner scanner_;
  bool inside_ = false;
  std::string_view key_;
  std::string_view value_;
};

// The text that a JSON string stands for. A lone surrogate becomes its three bytes.
std::string_view decode_json_string(std::string_view quoted, Scratch& scratch);

// By what the JSON holds.
Value read_json(std::string_view json, Scratch& scratch);
// As a column of that type has it: an error where its JSON cannot be read so. null is null.
Value read_column(std::string_view json, const ColumnType& type, Scratch& scratch);

// The member's JSON, of the last one where several have the name, as PostgreSQL has it. None where
// there are not enough steps to look at all of them.
std::optional<std::string_view> find_member(std::string_view object, std::string_view name,
                                            Scratch& scratch);

// Steps that the walk has taken for the element or member that it came to, beyond those for its
// bytes: "1," takes as long as many letters do, and what stands in a container is many such.
inline std::uint64_t steps_to_pass(std::string_view value, std::uint64_t itself) {
  const bool nested = !value.empty() && (value[0] == '[' || value[0] == '{');
  return itself + (nested ? value.size() / 2 : 0);
}
inline constexpr std::uint64_t steps_of_element = 4, steps_of_member = 6;

// Calls `each(const Value&)` for the elements of a list until it returns false. False where there
// were not enough steps for all that it came to.
template <class Each>
bool for_each_element(const Value& list, Scratch& scratch, Each each) {
  if (list.items != nullptr) {
    for (const Value& item : *list.items) {
      if (!each(item)) return true;
    }
    return true;
  }
  const ColumnType type{list.element, ColumnKind::json, {}};
  for (JsonWalk walk(list.text); walk.next_element();) {
    if (!scratch.spend(steps_to_pass(walk.value(), steps_of_element))) return false;
    if (!each(read_column(walk.value(), type, scratch))) return true;
  }
  return true;
}

// Calls `each(name)` for the members of a map until it returns false. The same.
template <class Each>
bool for_each_name(const Value& map, Scratch& scratch, Each each) {
  for (JsonWalk walk(map.text); walk.next_member();) {
    if (!scratch.spend(steps_to_pass(walk.value(), steps_of_member))) return false;
    if (!each(decode_json_string(walk.key(), scratch))) return true;
  }
  return true;
}

}  // namespace pgtide
