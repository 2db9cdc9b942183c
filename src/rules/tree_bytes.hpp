#pragma once
#include <cstddef>

namespace pgtide {

struct Node;

// About how much memory a tree takes, with what the allocator adds to each piece; of a regular
// expression as much as it may come to take while it reads texts. For the account of memory.
std::size_t tree_bytes(const Node& root);

}  // namespace pgtide
