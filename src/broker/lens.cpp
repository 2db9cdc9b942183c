#include "broker/lens.hpp"

#include <utility>

namespace pgtide {
namespace {

bool grants_something(std::string_view grants) {
  return grants.find('1') != std::string_view::npos;
}

}  // namespace

const Projection* Lens::find(std::string_view collection) const {
  const auto found = projections.find(collection);
  return found != projections.end() ? found->second.get() : nullptr;
}

std::shared_ptr<const Lens> Lenses::share(const Policy& policy, const Principal* who,
                                          const Pattern& pattern) {
  if (policy.granting().empty()) return nullptr;
  auto lens = std::make_shared<Lens>();
  for (const std::string& collection : policy.granting()) {
    if (pattern.kind != Pattern::Kind::everything && pattern.collection != collection) continue;
    const std::string grants = policy.grants(who, collection);
    if (!grants_something(grants)) continue;
    lens->text += collection + ':' + grants + ' ';
    lens->projections.emplace(collection, projection(policy, collection, grants));
  }
  if (lens->projections.empty()) return nullptr;
  sweep_lenses_(lenses_);
  std::weak_ptr<const Lens>& held = lenses_[lens->text];
  if (auto same = held.lock()) return same;
  held = lens;
  return lens;
}

std::shared_ptr<const Projection> Lenses::projection(const Policy& policy,
                                                     const std::string& collection,
                                                     const std::string& grants) {
  sweep_projections_(projections_);
  std::weak_ptr<const Projection>& held = projections_[collection + ':' + grants];
  if (auto same = held.lock()) return same;
  auto made = policy.projection(collection, grants);
  held = made;
  return made;
}

void Lenses::forget() {
  lenses_.clear();
  projections_.clear();
}

}  // namespace pgtide
