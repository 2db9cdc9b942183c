#include "model/wording.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

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

// Of the character that begins here; 1 for a byte that begins none.
std::size_t bytes_of(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return size <= text.size() && is_utf8(text.substr(0, size)) ? size : 1;
}

char32_t code_point_of(std::string_view character) {
  const auto lead = static_cast<unsigned char>(character.front());
  if (character.size() == 1) return lead;
  char32_t point = lead & (0x7fU >> character.size());
  for (const char c : character.substr(1)) point = point << 6 | (static_cast<unsigned>(c) & 0x3fU);
  return point;
}

// Unicode 15: control characters, line and paragraph ends, and the formats that turn the direction
// of writing or take no room (but for the joiners U+200C and U+200D, which scripts need).
bool is_seen_rightly(char32_t point) {
  static constexpr std::pair<char32_t, char32_t> unseen[] = {
      {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},   {0x180e, 0x180e},
      {0x200b, 0x200b}, {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff},
      {0xfff9, 0xfffb}, {0xe0000, 0xe0fff}};
  return std::none_of(std::begin(unseen), std::end(unseen), [point](const auto& range) {
    return point >= range.first && point <= range.second;
  });
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

std::string one_line(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    const std::string_view character = text.substr(0, bytes_of(text));
    text.remove_prefix(character.size());
    const bool broken = character.size() == 1 && static_cast<unsigned char>(character[0]) >= 0x80;
    if (broken || !is_seen_rightly(code_point_of(character))) {
      shown += "\xef\xbf\xbd";
    } else {
      shown += character;
    }
  }
  return shown;
}

std::string clean_lines(std::string_view text, std::string_view margin) {
  std::string shown;
  for (;;) {
    const std::size_t end = text.find('\n');
    shown += one_line(text.substr(0, end));
    if (end == std::string_view::npos) return shown;
    shown.append("\n").append(margin);
    text.remove_prefix(end + 1);
  }
}

std::string shell_word(std::string_view text) {
  constexpr std::string_view plain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./,:@%+=-";
  if (!text.empty() && text.find_first_not_of(plain) == std::string_view::npos) {
    return std::string(text);
  }
  std::string word = "'";
  for (const char c : text) {
    if (c == '\'') word += "'\\'";
    word += c;
  }
  return word + "'";
}

std::string sql_name(std::string_view name) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyz0123456789_";
  const bool begins = !name.empty() && (name[0] < '0' || name[0] > '9');
  if (begins && name.find_first_not_of(plain) == std::string_view::npos) return std::string(name);
  std::string in_quotes = "\"";
  for (const char c : name) {
    if (c == '"') in_quotes += c;
    in_quotes += c;
  }
  return in_quotes + "\"";
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
