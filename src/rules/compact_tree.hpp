#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "rules/node.hpp"

namespace pgtide {

// A tree in a few blocks, for one that is kept for long and only ever evaluated: a node takes 16
// bytes, where a Node takes 200 (2026-11-30), a constant 40 more, and each text stands there once.
// Immutable and shared between threads.
class CompactTree {
  struct Entry;

 public:
  explicit CompactTree(const Node& root);
  CompactTree(const CompactTree&) = delete;
  CompactTree& operator=(const CompactTree&) = delete;
  ~CompactTree();

  // One node: what its Node says. Valid as long as the tree.
  class Part {
   public:
    NodeKind kind() const;
    Comparison comparison() const;
    Function function() const;
    std::string_view name() const;
    const Value& value() const;          // of a constant
    const TextPattern* pattern() const;  // of matches(); null: of none
    std::size_t size() const;            // its children
    Part child(std::size_t n) const;

   private:
    friend class CompactTree;
    Part(const CompactTree& tree, std::size_t at) : tree_(&tree), entry_(&tree.entries_[at]) {}
    const CompactTree* tree_;
    const Entry* entry_;
  };
  Part root() const;

  // About how much memory it takes, with what the allocator adds; of a regular expression as much
  // as it may come to take while it reads texts.
  std::size_t bytes() const;

 private:
  struct Entry {
    NodeKind kind = NodeKind::constant;
    std::uint8_t word = 0;          // Comparison or Function
    std::uint16_t name_bytes = 0;
    std::uint32_t name = 0;         // where in `texts_`; a call: which of `patterns_`, from 1
    std::uint32_t children = 0;     // how many
    std::uint32_t first = 0;        // the first of them, or which of `values_`
  };
  class Builder;

  std::vector<Entry> entries_{};  // children of one node side by side
  std::vector<Value> values_{};
  std::vector<std::vector<Value>> lists_{};  // of values that are lists
  std::vector<std::shared_ptr<const TextPattern>> patterns_{};
  std::unique_ptr<char[]> texts_{};
  std::size_t text_bytes_ = 0;
};

inline CompactTree::Part CompactTree::root() const { return {*this, 0}; }
inline NodeKind CompactTree::Part::kind() const { return entry_->kind; }
inline Comparison CompactTree::Part::comparison() const {
  return static_cast<Comparison>(entry_->word);
}
inline Function CompactTree::Part::function() const {
  return static_cast<Function>(entry_->word);
}
inline std::string_view CompactTree::Part::name() const {
  return {tree_->texts_.get() + entry_->name, entry_->name_bytes};
}
inline const Value& CompactTree::Part::value() const {
  return tree_->values_[entry_->first];
}
inline const TextPattern* CompactTree::Part::pattern() const {
  const std::size_t number = entry_->name;
  return number == 0 ? nullptr : tree_->patterns_[number - 1].get();
}
inline std::size_t CompactTree::Part::size() const { return entry_->children; }
inline CompactTree::Part CompactTree::Part::child(std::size_t n) const {
  return {*tree_, entry_->first + n};
}

}  // namespace pgtide
