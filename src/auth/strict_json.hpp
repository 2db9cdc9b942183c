#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>

namespace pgtide {

// A JSON object as RFC 8725 (3.12) would have it read: valid UTF-8, no member twice at any depth,
// at most 16 levels. None for anything else. Total over any bytes.
std::optional<nlohmann::json> parse_strict_object(std::string_view text);

}  // namespace pgtide
