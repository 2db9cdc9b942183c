#pragma once
#include <span>
#include <string>
#include <string_view>

// Record ids (PROTOCOL 1.2): the text of a key. One column: that text, never escaped. Several:
// joined by ',' in key order, with ',' and '\' inside a value escaped by '\'.
namespace pgtide {

std::string make_record_id(std::span<const std::string> key_values);

}  // namespace pgtide
