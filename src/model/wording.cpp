#include "model/wording.hpp"

#include <algorithm>
#include <cstddef>

#include "model/utf8.hpp"

namespace pgtide {
namespace {

constexpr std::size_t shown_bytes = 60;
constexpr std::size_t word_bytes_max = 100;  // of what is compared: the effort is quadratic

std::string escaped(char c) {
  static constexpr char digits[] = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  return {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
}

// The start of `text` in at most `bytes` bytes, without a character cut in two.
std::string_view start_of(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

// Optimal string alignment: letters changed, missing, added, and neighbours swapped.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + change});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

}  // namespace

std::string quoted(std::string_view text) {
  const std::string_view start = start_of(text, shown_bytes);
  const bool readable = is_utf8(start) && !has_control_characters(start);
  std::string out = "'";
  for (const char c : start) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 || byte >= 0x7f) && !readable) {
      out += escaped(c);
    } else {
      out += c;
    }
  }
  return out + (start.size() < text.size() ? "...'" : "'");
}

std::string find_nearest(std::string_view word, const std::vector<std::string>& known) {
  if (word.size() > word_bytes_max) return {};
  std::string nearest;
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const std::size_t found = distance(word, candidate);
    if (found < least) {
      least = found;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const std::string nearest = find_nearest(word, known);
  return nearest.empty() ? "" : "; did you mean " + nearest + "?";
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

}  // namespace pgtide
