#include "rules/term_list.hpp"

namespace pgtide {

TermList::TermList(const std::vector<IndexTerm>& sorted) : size_(sorted.size()) {
  std::size_t count_at = 0;
  std::uint32_t count = 0;
  const auto append = [this](const void* number, std::size_t size) {
    bytes_.append(static_cast<const char*>(number), size);
  };
  const IndexDimension* last = nullptr;
  for (const IndexTerm& term : sorted) {
    if (last == nullptr || *last != term.dimension) {
      last = &term.dimension;
      append(&last->of, sizeof last->of);
      append_text(last->column);
      count = 0;
      count_at = bytes_.size();
      append(&count, sizeof count);
    }
    ++count;
    std::memcpy(bytes_.data() + count_at, &count, sizeof count);
    append_text(term.key);
  }
  bytes_.shrink_to_fit();
}

void TermList::append_text(std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  bytes_.append(reinterpret_cast<const char*>(&size), sizeof size).append(text);
}

std::vector<IndexTerm> TermList::unpacked() const {
  std::vector<IndexTerm> terms;
  terms.reserve(size_);
  for_each([&](const IndexDimension& dimension, std::string_view key) {
    terms.push_back({dimension, std::string(key)});
    return true;
  });
  return terms;
}

}  // namespace pgtide
