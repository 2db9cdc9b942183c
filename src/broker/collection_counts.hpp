#pragma once
#include <cstdint>
#include <span>
#include <string_view>

#include "model/text_map.hpp"
#include "pgtide/event.hpp"
#include "rules/policy.hpp"

namespace pgtide {

// How many events each collection has had. Custom events of a name that the rules do not list are
// left out: such names could be made at random.
class CollectionCounts {
 public:
  void note(std::span<const Event> events, const Policy& policy) {
    std::uint64_t* count = nullptr;
    std::string_view name;
    for (const Event& event : events) {
      if (event.to_everyone) continue;
      if (count == nullptr || event.collection != name) {
        if (event.collection_id == 0 && !policy.lists(event.collection)) continue;
        name = event.collection;
        count = &counts_[event.collection];
      }
      ++*count;
    }
  }
  const TextMap<std::uint64_t>& read() const { return counts_; }

 private:
  TextMap<std::uint64_t> counts_{};
};

}  // namespace pgtide
