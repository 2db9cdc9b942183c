#include "model/utf8.hpp"

#include <simdjson.h>

namespace pgtide {

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

bool has_control_characters(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return true;
    // U+0080 to U+009F are C2 80 to C2 9F.
    const bool second = i + 1 < text.size();
    if (byte == 0xc2 && second && static_cast<unsigned char>(text[i + 1]) < 0xa0) return true;
  }
  return false;
}

}  // namespace pgtide
