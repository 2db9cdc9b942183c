#pragma once
#include <cstddef>
#include <optional>
#include <string_view>

namespace pgtide {

// How large a regular expression becomes when it is compiled, found by one walk over its text: a
// stranger's must be refused for less than it costs to compile.
//
// About the number of RE2's instructions, rather too many than too few: a range of letters beyond
// ASCII counts ten, one of more than a thousand letters 64 (without regard to case each of them may
// be looked at), what is repeated counts as often as it may come. Nothing where a Unicode class
// (\p, \P) stands in it: such a one takes a thousand instructions. What is no regular expression
// has some weight; RE2 says what is wrong with it.
std::optional<std::size_t> weigh_pattern(std::string_view pattern);

}  // namespace pgtide
