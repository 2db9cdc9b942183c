#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "model/json_row.hpp"
#include "rules/projection.hpp"

// Rows as a projection shows them. Names and values are spliced as they stand in the row's text:
// nothing is printed anew. All functions append JSON text to `out`.
namespace pgtide {

// Bytes of the visible values; none where one is withheld, or the row has no member at all: then it
// is shown by append_key() and append_changed() alone.
std::optional<std::size_t> visible_bytes(const Row& row, const Projection& projection);

// The visible members, as an object. Where `fallback_id` is not empty and no member called "id" is
// visible, "id" is added with it, as a string.
void append_projected(std::string& out, const Row& row, const Projection& projection,
                      std::string_view fallback_id = {});

// The members of a custom event's data that may be seen, as an object.
void append_custom(std::string& out, const Row& members, const Projection& projection);

// The key columns, in key order, as an object; and "id", the record id as a string, where no key
// column is called so (PROTOCOL 2). A key column that the row lacks,
// or that is withheld, is left out.
void append_key(std::string& out, const Row& row, std::span<const std::string> key,
                std::string_view record_id);

// The names of the visible columns whose texts differ, as an array; how many they are. A column
// that the old row lacks differs.
std::size_t append_changed(std::string& out, const Row& old_row, const Row& new_row,
                           const Projection& projection);

// `text` as a JSON string with its quotes: json_string(), without a copy where there is no need to
// escape.
void append_quoted(std::string& out, std::string_view text);

}  // namespace pgtide
