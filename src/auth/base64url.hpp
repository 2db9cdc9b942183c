#pragma once
#include <optional>
#include <string>
#include <string_view>

// Base64 with the alphabet for URLs and without padding, as RFC 7515 (2) wants it.
namespace pgtide {

// None where a symbol is foreign, or bits that no byte takes are set: each text of bytes has one
// spelling only.
std::optional<std::string> decode_base64url(std::string_view text);

std::string encode_base64url(std::string_view bytes);

}  // namespace pgtide
