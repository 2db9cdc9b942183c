#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/column_kind.hpp"
#include "model/text_map.hpp"

namespace pgtide {

// A watched table under its public name.
struct Collection {
  std::int32_t id = 0;
  std::string name{};
  std::string table{};                 // "schema.table", unquoted
  std::vector<std::string> key{};      // column names, in key order; never empty
  std::vector<std::string> columns{};  // all present columns, in their order
  std::vector<ColumnType> types{};     // theirs; a missing one is json
  std::vector<int> numbers{};          // theirs (attnum), which a rename keeps; empty: not known
  bool old_rows = true;                // false: watched --without-old-rows
  std::string fault{};                 // what makes its stream untrustworthy now; empty: nothing

  // Of columns[n].
  ColumnType type_of(std::size_t n) const { return n < types.size() ? types[n] : ColumnType{}; }
  friend bool operator==(const Collection&, const Collection&) = default;
};

// What the database watches, as of one moment. Immutable once shared.
class Catalog {
 public:
  Catalog() = default;
  // `unwatched` names tables ("schema.table") that exist and are not watched, among those that
  // the rules ask about.
  Catalog(std::vector<Collection> collections, std::vector<std::string> unwatched);

  const Collection* find(std::string_view name) const;  // null: no such collection
  const std::vector<Collection>& collections() const { return collections_; }
  bool exists_unwatched(std::string_view table) const;

  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

 private:
  std::vector<Collection> collections_;
  std::vector<std::string> unwatched_;
  // Views into collections_.
  std::unordered_map<std::string_view, std::size_t, TextHash, std::equal_to<>> by_name_;
};

}  // namespace pgtide
