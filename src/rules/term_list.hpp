#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace pgtide {

// What an index looks at in a record: a column's value, its string(), or each element of its list.
struct IndexDimension {
  enum class Of : unsigned char { value, text, element };
  std::string column{};
  Of of = Of::value;

  friend auto operator<=>(const IndexDimension&, const IndexDimension&) = default;
};

// One value of a dimension. Equal values of the language have equal keys, others never.
struct IndexTerm {
  IndexDimension dimension{};
  std::string key{};

  friend auto operator<=>(const IndexTerm&, const IndexTerm&) = default;
};

// Terms in one block, each dimension's name once: a vector of them takes ten times as much.
class TermList {
 public:
  TermList() = default;
  explicit TermList(const std::vector<IndexTerm>& sorted);

  bool empty() const { return bytes_.empty(); }
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return bytes_.capacity(); }
  std::vector<IndexTerm> unpacked() const;
  // In their order, each with its dimension; ends where `each` returns false.
  template <class Each>
  void for_each(Each&& each) const;

 private:
  template <class Number>
  static Number take_number(const char*& at);
  static std::string_view take_text(const char*& at);
  void append_text(std::string_view text);

  // Of each dimension: what of, the column, how many keys, and these. A text is a size of four
  // bytes and itself.
  std::string bytes_{};
  std::size_t size_ = 0;
};

template <class Number>
Number TermList::take_number(const char*& at) {
  Number number{};
  std::memcpy(&number, at, sizeof number);
  at += sizeof number;
  return number;
}

inline std::string_view TermList::take_text(const char*& at) {
  const auto size = take_number<std::uint32_t>(at);
  const std::string_view text(at, size);
  at += size;
  return text;
}

template <class Each>
void TermList::for_each(Each&& each) const {
  const char* at = bytes_.data();
  const char* const end = at + bytes_.size();
  IndexDimension dimension;
  while (at < end) {
    dimension.of = take_number<IndexDimension::Of>(at);
    dimension.column = take_text(at);
    for (auto left = take_number<std::uint32_t>(at); left > 0; --left) {
      if (!each(dimension, take_text(at))) return;
    }
  }
}

}  // namespace pgtide
