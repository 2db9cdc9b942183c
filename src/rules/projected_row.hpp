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

// The record id that stands for `id` where the table has no column of that name; none: it has one.
using StandInId = std::optional<std::string_view>;

// The visible members, as an object. Where the row has no member called "id", visible or not, "id"
// is added with `stand_in`, as a string.
void append_projected(std::string& out, const Row& row, const Projection& projection,
                      StandInId stand_in = {});

// The members of a custom event's data that may be seen, as an object.
void append_custom(std::string& out, const Row& members, const Projection& projection);

// The key columns, in key order, as an object; and "id" as append_projected() adds it (PROTOCOL 2).
// A key column that the row lacks, or that is withheld, is left out.
void append_key(std::string& out, const Row& row, std::span<const std::string> key,
                StandInId stand_in);

// The names of the visible columns whose texts differ, as an array; how many they are. A column
// that the old row lacks differs.
std::size_t append_changed(std::string& out, const Row& old_row, const Row& new_row,
                           const Projection& projection);

// `text` as a JSON string with its quotes: json_string(), without a copy where there is no need to
// escape.
void append_quoted(std::string& out, std::string_view text);

}  // namespace pgtide
