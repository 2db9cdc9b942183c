#pragma once
#include <string_view>
#include <vector>

#include "config/yaml_tree.hpp"

namespace pgtide {

// Where each byte of a scalar's value stands in the file, and its end: one place more than the
// value has bytes. Quotes, escapes, indentation and folded lines lie between; where an escape
// stands for another character the place of what precedes it is given.
std::vector<SourcePlace> places_of(std::string_view file, const YamlNode& scalar);

}  // namespace pgtide
