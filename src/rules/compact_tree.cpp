#include "rules/compact_tree.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <utility>

#include "pgtide/result.hpp"
#include "rules/text_pattern.hpp"

namespace pgtide {

// Twice over the tree: what there is, so that nothing moves afterwards, and then each node.
class CompactTree::Builder {
 public:
  explicit Builder(CompactTree& tree) : tree_(tree) {}

  void build(const Node& root) {
    count(root);
    tree_.entries_.reserve(nodes_);
    tree_.values_.reserve(constants_);
    tree_.lists_.reserve(lists_);
    tree_.texts_ = std::make_unique<char[]>(tree_.text_bytes_);
    std::size_t at = 0;
    for (auto& [text, place] : places_) {
      std::memcpy(tree_.texts_.get() + at, text.data(), text.size());
      place = std::exchange(at, at + text.size());
    }
    tree_.entries_.resize(1);
    put(root, 0);
  }

 private:
  void count(const Node& node) {
    ++nodes_;
    note(node.name);
    if (node.is(NodeKind::constant)) {
      ++constants_;
      count(node.value);
    }
    for (const NodePointer& child : node.children) count(*child);
  }
  void count(const Value& value) {
    note(value.text);
    if (value.items == nullptr) return;
    ++lists_;
    for (const Value& item : *value.items) count(item);
  }
  void note(std::string_view text) {
    if (!text.empty() && places_.try_emplace(text).second) tree_.text_bytes_ += text.size();
  }

  // `at`: the node's place, which is there already.
  void put(const Node& node, std::size_t at) {
    Entry entry{.kind = node.kind};
    PGTIDE_ASSERT(node.name.size() <= std::numeric_limits<std::uint16_t>::max());
    entry.name_bytes = static_cast<std::uint16_t>(node.name.size());
    entry.name = static_cast<std::uint32_t>(node.name.empty() ? 0 : places_.at(node.name));
    entry.word = static_cast<std::uint8_t>(node.is(NodeKind::call)
                                               ? static_cast<unsigned>(node.function)
                                               : static_cast<unsigned>(node.comparison));
    if (node.pattern) {
      tree_.patterns_.push_back(node.pattern);
      entry.name = static_cast<std::uint32_t>(tree_.patterns_.size());
    }
    entry.children = static_cast<std::uint32_t>(node.children.size());
    const bool constant = node.is(NodeKind::constant);
    entry.first =
        static_cast<std::uint32_t>(constant ? tree_.values_.size() : tree_.entries_.size());
    if (constant) tree_.values_.push_back(kept(node.value));
    tree_.entries_[at] = entry;
    if (constant) return;
    tree_.entries_.resize(tree_.entries_.size() + node.children.size());
    for (std::size_t n = 0; n < node.children.size(); ++n) put(node.child(n), entry.first + n);
  }
  // With its texts and lists in the tree.
  Value kept(const Value& value) {
    Value copy = value;
    if (!value.text.empty()) {
      copy.text = {tree_.texts_.get() + places_.at(value.text), value.text.size()};
    }
    if (value.items == nullptr) return copy;
    std::vector<Value> items;
    items.reserve(value.items->size());
    for (const Value& item : *value.items) items.push_back(kept(item));
    tree_.lists_.push_back(std::move(items));
    copy.items = &tree_.lists_.back();
    return copy;
  }

  CompactTree& tree_;
  std::size_t nodes_ = 0, constants_ = 0, lists_ = 0;
  std::map<std::string_view, std::size_t> places_{};
};

CompactTree::CompactTree(const Node& root) { Builder(*this).build(root); }

CompactTree::~CompactTree() = default;

std::size_t CompactTree::bytes() const {
  constexpr std::size_t block_bytes = 16;  // of each block, for the allocator (glibc 2.36)
  std::size_t bytes = sizeof(CompactTree) + 5 * block_bytes + text_bytes_ +
                      entries_.capacity() * sizeof(Entry) + values_.capacity() * sizeof(Value) +
                      lists_.capacity() * sizeof(std::vector<Value>);
  for (const std::vector<Value>& list : lists_) {
    bytes += list.capacity() * sizeof(Value) + block_bytes;
  }
  for (const auto& pattern : patterns_) bytes += sizeof(pattern) + pattern->bytes_max();
  return bytes;
}

}  // namespace pgtide
