#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "broker/sweep.hpp"
#include "model/text_map.hpp"
#include "rules/policy.hpp"

namespace pgtide {

// Which columns somebody sees beyond those that everybody does: the projections of the collections
// whose `hide` shows him something.
struct Lens {
  std::string text{};  // collections and grants: equal texts, one lens
  TextMap<std::shared_ptr<const Projection>> projections{};

  // Null: what everybody sees.
  const Projection* find(std::string_view collection) const;
};

// The lenses that subscriptions hold, and the projections in them, each of them once.
class Lenses {
 public:
  // Of a pattern's subscriber; null where he has no grant that counts there.
  std::shared_ptr<const Lens> share(const Policy& policy, const Principal* who,
                                    const Pattern& pattern);
  // The policy is another now: what is held stays, and what is asked for is made anew.
  void forget();

 private:
  std::shared_ptr<const Projection> projection(const Policy& policy, const std::string& collection,
                                               const std::string& grants);

  TextMap<std::weak_ptr<const Lens>> lenses_{};
  Sweep sweep_lenses_{};
  TextMap<std::weak_ptr<const Projection>> projections_{};
  Sweep sweep_projections_{};
};

}  // namespace pgtide
