#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace pgtide {

// `text` between quotes for a message: control characters escaped, at most some sixty bytes of it.
// Total over any bytes; the result is valid UTF-8.
std::string quoted(std::string_view text);

// `text` as it may stand in one line of a log or on a terminal: control characters (line ends among
// them), what turns the direction of writing, what is not seen, and bytes that are no UTF-8 become
// U+FFFD. Nobody whose name stands in a line can so write lines, or steer a terminal.
std::string one_line(std::string_view text);
// The same of a text whose line ends are ours: each line is cleaned, and begins with `margin` from
// the second on.
std::string clean_lines(std::string_view text, std::string_view margin = "");

// `text` as one word of a command for a POSIX shell: as it is where it is plain, else in '...'.
std::string shell_word(std::string_view text);

// A name as SQL reads it where it asks for a table: as it is, or in "...".
std::string sql_name(std::string_view name);

// The one of `known` that `word` is most probably a misspelling of, or "": at most a third of its
// letters (at least one) are wrong, missing, added or swapped.
std::string find_nearest(std::string_view word, const std::vector<std::string>& known);

// "; did you mean limits.connections?", or "" where nothing is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

// `text` with A to Z made small.
std::string lower_case(std::string_view text);

}  // namespace pgtide
