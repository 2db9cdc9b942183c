#pragma once
#include <string>
#include <string_view>

#include "rules/node.hpp"

namespace pgtide {

// A tree in canonical form, in the language's own words. What it has no words for stands between
// angle brackets: <error>, <null> (a null that is not the literal), <{"a":1}> (JSON from the
// claims). Numbers whose text nobody can ask for are printed in their shortest form, so 1.0 == x
// and 1 == x have one text.
//
// Trees of equal texts decide equally, whatever the record.
std::string print_tree(const Node& node);

// A text of the language between quotes.
std::string print_text(std::string_view text);

}  // namespace pgtide
