#include "model/pattern.hpp"

#include <algorithm>

#include "model/utf8.hpp"

namespace pgtide {
namespace {

constexpr std::size_t collection_bytes_max = 63;  // PROTOCOL 1.2
constexpr std::size_t record_id_bytes_max = 256;  // PROTOCOL 1.2

bool starts_name(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; }
bool continues_name(char c) { return starts_name(c) || (c >= '0' && c <= '9'); }

Error refused(const char* message) { return {ErrorKind::invalid, message}; }

}  // namespace

std::string to_string(const Pattern& pattern) {
  switch (pattern.kind) {
    case Pattern::Kind::everything: return "*";
    case Pattern::Kind::collection: return pattern.collection + ".*";
    case Pattern::Kind::record: return pattern.collection + "." + pattern.record_id;
  }
  return "*";
}

bool is_collection_name(std::string_view text) {
  return !text.empty() && text.size() <= collection_bytes_max && starts_name(text.front()) &&
         std::all_of(text.begin(), text.end(), continues_name);
}

Result<Pattern> parse_pattern(std::string_view text) {
  if (text == "*") return Pattern{};
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) {
    return refused("a pattern is *, <collection>.* or <collection>.<record id>: there is no dot");
  }
  const std::string_view collection = text.substr(0, dot);
  const std::string_view rest = text.substr(dot + 1);
  if (!is_collection_name(collection)) {
    return refused(
        "a collection's name is a letter or _, then at most 62 letters, digits or _");
  }
  if (rest == "*") return Pattern{Pattern::Kind::collection, std::string(collection), {}};
  if (rest.empty() || rest.size() > record_id_bytes_max) {
    return refused("a record id has 1 to 256 bytes; for the whole collection write .*");
  }
  if (!is_utf8(rest) || has_control_characters(rest)) {
    return refused("a record id is UTF-8 without control characters");
  }
  return Pattern{Pattern::Kind::record, std::string(collection), std::string(rest)};
}

}  // namespace pgtide
