#pragma once
#include <boost/unordered/unordered_flat_set.hpp>
#include <functional>
#include <string_view>

#include "model/text_map.hpp"

namespace pgtide {

// How a set of pointers finds things by a text of theirs: `text_of` is a member of theirs.
template <class Thing, auto text_of>
struct ByText {
  static std::string_view text(std::string_view itself) { return itself; }
  static std::string_view text(const Thing* thing) { return std::invoke(text_of, *thing); }

  struct Hash : TextHash {
    std::size_t operator()(const auto& one) const { return TextHash::operator()(text(one)); }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const auto& one, const auto& other) const { return text(one) == text(other); }
  };
};

// Things that others own, found by their text, which does not change while they are in it.
template <class Thing, auto text_of>
using TextSetOf = boost::unordered_flat_set<Thing*, typename ByText<Thing, text_of>::Hash,
                                            typename ByText<Thing, text_of>::Equal>;

}  // namespace pgtide
