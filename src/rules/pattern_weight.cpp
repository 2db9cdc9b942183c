#include "rules/pattern_weight.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace pgtide {
namespace {

constexpr std::size_t weight_max = 1'000'000;
constexpr std::size_t class_weight = 4;          // \d, \w, [:alpha:]
constexpr std::size_t any_weight = 10;           // what UTF-8 has beyond ASCII
constexpr std::size_t large_range_weight = 64;
constexpr std::uint32_t large_range = 1'024;     // letters

class Weighing {
 public:
  explicit Weighing(std::string_view pattern) : rest_(pattern) {}

  std::optional<std::size_t> run() {
    groups_.emplace_back();
    while (!rest_.empty() && !has_unicode_class_) take_part();
    if (has_unicode_class_) return std::nullopt;
    while (groups_.size() > 1) close_group();
    return groups_.back().sum;
  }

 private:
  // What stands between two brackets: all of it, and the last part of it, which a repetition that
  // follows means.
  struct Group {
    std::size_t sum = 0;
    std::size_t last = 0;
  };

  bool take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  char take_byte() {
    const char byte = rest_.front();
    rest_.remove_prefix(1);
    return byte;
  }
  void add(std::size_t weight) {
    Group& group = groups_.back();
    group.sum = std::min(group.sum + weight, weight_max);
    group.last = std::min(weight, weight_max);
  }
  void close_group() {
    const std::size_t inner = groups_.back().sum;
    groups_.pop_back();
    add(inner + 1);
  }
  void repeat(std::size_t times) {
    Group& group = groups_.back();
    const std::size_t further = std::min(group.last * std::max<std::size_t>(times, 1), weight_max);
    group.sum = std::min(group.sum - std::min(group.sum, group.last) + further, weight_max);
    group.last = further;
  }

  void take_part();
  void take_quoted();
  void take_repetition();
  std::size_t number();
  void take_escape();
  void take_class();
  std::uint32_t code_point();
  std::uint32_t escaped_code_point();
  static std::size_t weight_of_range(std::uint32_t first, std::uint32_t last);

  std::string_view rest_;
  std::vector<Group> groups_{};
  bool has_unicode_class_ = false;
};

void Weighing::take_part() {
  switch (rest_.front()) {
    case '(':
      take_byte();
      groups_.emplace_back();
      return;
    case ')':
      take_byte();
      if (groups_.size() > 1) close_group();
      return;
    case '[':
      return take_class();
    case '\\':
      return take_escape();
    case '{':
      return take_repetition();
    case '.':
      take_byte();
      return add(any_weight);
    case '*':
    case '+':
    case '?':
    case '|':
      take_byte();
      groups_.back().sum += 1;
      return;
    default:
      take_byte();
      add(1);
  }
}

// {3}, {3,} or {3,5}; anything else is text.
void Weighing::take_repetition() {
  take_byte();
  const std::size_t least = number();
  std::size_t times = least;
  if (take(",")) times = rest_.starts_with('}') ? least + 1 : number();
  if (take("}")) return repeat(std::max(times, least));
  add(1);
}

std::size_t Weighing::number() {
  std::size_t number = 0;
  while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
    number = std::min(number * 10 + static_cast<std::size_t>(take_byte() - '0'), weight_max);
  }
  return number;
}

void Weighing::take_quoted() {
  while (!rest_.empty() && !take("\\E")) {
    take_byte();
    add(1);
  }
}

void Weighing::take_escape() {
  if (take("\\Q")) return take_quoted();
  const char kind = rest_.size() > 1 ? rest_[1] : '\\';
  if (kind == 'p' || kind == 'P') {
    has_unicode_class_ = true;
    return;
  }
  const bool negated = kind == 'D' || kind == 'W' || kind == 'S';
  if (negated || kind == 'd' || kind == 'w' || kind == 's' || kind == 'C') {
    rest_.remove_prefix(2);
    return add(negated ? class_weight + any_weight : class_weight);
  }
  const std::uint32_t letter = code_point();
  add(weight_of_range(letter, letter));
}

std::size_t Weighing::weight_of_range(std::uint32_t first, std::uint32_t last) {
  if (last < 0x80) return 1;
  return last > first && last - first >= large_range ? large_range_weight : any_weight;
}

void Weighing::take_class() {
  take_byte();
  std::size_t weight = take("^") ? any_weight : 0;
  for (bool first = true; !rest_.empty() && (first || rest_.front() != ']'); first = false) {
    if (take("[:")) {
      weight += class_weight + (take("^") ? any_weight : 0);
      while (!rest_.empty() && !take(":]")) take_byte();
      continue;
    }
    const char kind = rest_.size() > 1 && rest_.front() == '\\' ? rest_[1] : '\0';
    if (kind == 'p' || kind == 'P') {
      has_unicode_class_ = true;
      return;
    }
    if (kind != '\0' && std::string_view("dwsDWS").find(kind) != std::string_view::npos) {
      rest_.remove_prefix(2);
      weight += class_weight + any_weight;
      continue;
    }
    const std::uint32_t letter = code_point();
    const bool ranged = rest_.size() > 1 && rest_.front() == '-' && rest_[1] != ']';
    if (ranged) take_byte();
    weight += weight_of_range(letter, ranged ? code_point() : letter);
  }
  if (!rest_.empty()) take_byte();
  add(std::max<std::size_t>(weight, 1));
}

// One letter, or the escape for one; the text is not empty.
std::uint32_t Weighing::code_point() {
  const auto lead = static_cast<unsigned char>(take_byte());
  if (lead == '\\' && !rest_.empty()) return escaped_code_point();
  if (lead < 0xC0) return lead;
  std::uint32_t letter = lead & (lead < 0xE0 ? 0x1FU : lead < 0xF0 ? 0x0FU : 0x07U);
  while (!rest_.empty() && (static_cast<unsigned char>(rest_.front()) & 0xC0U) == 0x80U) {
    letter = letter << 6U | (static_cast<unsigned char>(take_byte()) & 0x3FU);
  }
  return letter;
}

std::uint32_t Weighing::escaped_code_point() {
  const auto kind = static_cast<unsigned char>(take_byte());
  if (kind != 'x') return kind;
  const bool braced = take("{");
  std::uint32_t letter = 0;
  for (int digits = 0; !rest_.empty() && (braced || digits < 2); ++digits) {
    const char c = take_byte();
    if (c == '}') break;
    const auto value = static_cast<std::uint32_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    letter = std::min(letter * 16 + (value & 0xFU), 0x110000U);
  }
  return letter;
}

}  // namespace

std::optional<std::size_t> weigh_pattern(std::string_view pattern) {
  return Weighing(pattern).run();
}

}  // namespace pgtide
