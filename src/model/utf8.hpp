#pragma once
#include <string>
#include <string_view>

namespace pgtide {

// Is `text` valid UTF-8 (no overlong forms, no surrogates)?
bool is_utf8(std::string_view text);

// Does valid UTF-8 hold a control character: U+0000 to U+001F, or U+007F to U+009F?
bool has_control_characters(std::string_view text);

// Appends a code point. A surrogate becomes its three bytes, which is_utf8() refuses.
void append_utf8(std::string& out, char32_t code_point);

}  // namespace pgtide
