#include "model/catalog.hpp"

#include <algorithm>
#include <utility>

namespace pgtide {

Catalog::Catalog(std::vector<Collection> collections, std::vector<std::string> unwatched)
    : collections_(std::move(collections)), unwatched_(std::move(unwatched)) {
  for (std::size_t i = 0; i < collections_.size(); ++i) by_name_[collections_[i].name] = i;
}

const Collection* Catalog::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &collections_[found->second];
}

bool Catalog::exists_unwatched(std::string_view table) const {
  return std::find(unwatched_.begin(), unwatched_.end(), table) != unwatched_.end();
}

}  // namespace pgtide
