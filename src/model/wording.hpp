#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace pgtide {

// `text` between quotes for a message: control characters escaped, at most some sixty bytes of it.
// Total over any bytes; the result is valid UTF-8.
std::string quoted(std::string_view text);

// The one of `known` that `word` is most probably a misspelling of, or "": at most a third of its
// letters (at least one) are wrong, missing, added or swapped.
std::string find_nearest(std::string_view word, const std::vector<std::string>& known);

// "; did you mean limits.connections?", or "" where nothing is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

// `text` with A to Z made small.
std::string lower_case(std::string_view text);

}  // namespace pgtide
