#include "rules/tree_bytes.hpp"

#include "rules/node.hpp"
#include "rules/text_pattern.hpp"

namespace pgtide {
namespace {

constexpr std::size_t block_bytes = 16;      // of a block, for the allocator (glibc 2.36)
constexpr std::size_t short_text_bytes = 15;  // a std::string of g++ keeps them in itself

}  // namespace

std::size_t tree_bytes(const Node& root) {
  std::size_t bytes = sizeof(Node) + block_bytes;
  if (root.name.size() > short_text_bytes) bytes += root.name.size() + block_bytes;
  if (root.is(NodeKind::constant)) {
    bytes += sizeof(std::string) + root.value.text.size() + block_bytes;
  }
  if (root.pattern) bytes += root.pattern->bytes_max();
  if (root.value.items != nullptr) {
    bytes += root.value.items->size() * (sizeof(Value) + block_bytes);
  }
  if (root.children.empty()) return bytes;
  bytes += root.children.capacity() * sizeof(NodePointer) + block_bytes;
  for (const NodePointer& child : root.children) bytes += tree_bytes(*child);
  return bytes;
}

}  // namespace pgtide
