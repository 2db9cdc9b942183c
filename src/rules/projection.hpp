#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "rules/record_view.hpp"

namespace pgtide {

// Which columns of one collection's rows a receiver sees. Subscriptions that see the same share one
// object, so that equality is a comparison of addresses.
struct Projection {
  bool everything = true;              // no `hide` and no `show`: rows pass untouched
  std::vector<std::string> columns{};  // else: the visible ones, sorted; what is not here is hidden
  // Of a custom event's data, whose names no table knows: `show` lists what is seen of it (and so
  // does the key), `hide` what is not. Sorted.
  bool lists_shown = false;
  std::vector<std::string> named{};
  bool deleted_record_full = false;
  bool old = false;
  RecordShape shape{};  // of what is seen: what a filter may speak of

  bool shows(std::string_view column) const;
  bool shows_in_custom(std::string_view name) const;
  // Do both show the same columns?
  bool shows_same(const Projection& other) const;
};

}  // namespace pgtide
