#include "rules/projection.hpp"

#include <algorithm>

namespace pgtide {

bool Projection::shows(std::string_view column) const {
  return everything || std::binary_search(columns.begin(), columns.end(), column);
}

bool Projection::shows_in_custom(std::string_view name) const {
  return std::binary_search(named.begin(), named.end(), name) == lists_shown;
}

bool Projection::shows_same(const Projection& other) const {
  return everything == other.everything && columns == other.columns &&
         lists_shown == other.lists_shown && named == other.named;
}

}  // namespace pgtide
