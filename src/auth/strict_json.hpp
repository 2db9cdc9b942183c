#pragma once
#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>

namespace pgtide {

// A JSON object as RFC 8725 (3.12) would have it read: valid UTF-8, no member twice at any depth,
// at most 16 levels. None for anything else. Total over any bytes.
std::optional<nlohmann::json> parse_strict_object(std::string_view text);

// Of a text that may be no JSON: are more values begun in it than so many? Reads commas and
// brackets only, and so costs little where parsing would cost much.
bool holds_more_values(std::string_view text, std::size_t values_max);

}  // namespace pgtide
