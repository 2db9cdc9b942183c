#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "model/keyed_hash.hpp"

namespace pgtide {

// The hash of every table whose keys somebody else chooses: keyed, since whoever can make keys of
// one hash makes each look-up a walk over all of them (tests/tidy asks for it).
struct TextHash {
  using is_transparent = void;
  using is_avalanching = void;  // Boost's tables need not mix its bits again
  std::size_t operator()(std::string_view text) const { return sip_hash(text, hash_key()); }
};

// A hash map by text that is looked up with a view: no string is made for a look-up.
template <class Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;
using TextSet = std::unordered_set<std::string, TextHash, std::equal_to<>>;

}  // namespace pgtide
