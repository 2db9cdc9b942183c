#pragma once
#include <string>
#include <string_view>

#include "pgtide/result.hpp"

namespace pgtide {

// What a subscription is for (PROTOCOL 1.2): "*", "posts.*" or "posts.<record id>".
struct Pattern {
  enum class Kind { everything, collection, record };

  Kind kind = Kind::everything;
  std::string collection{};  // empty for `everything`
  std::string record_id{};   // only for `record`

  friend bool operator==(const Pattern&, const Pattern&) = default;
};

// The pattern's text; parse_pattern(to_string(p)) == p.
std::string to_string(const Pattern& pattern);

// Total over any bytes. ErrorKind::invalid with a message for the client.
Result<Pattern> parse_pattern(std::string_view text);

// [A-Za-z_][A-Za-z0-9_]{0,62}
bool is_collection_name(std::string_view text);

}  // namespace pgtide
