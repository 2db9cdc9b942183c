#include "model/keyed_hash.hpp"

#include <random>

namespace pgtide {

HashKey HashKey::draw() {
  std::random_device random;
  const auto half = [&random] {
    const std::uint64_t high = random();
    return high << 32 | random();
  };
  const std::uint64_t first = half();
  return {first, half()};
}

}  // namespace pgtide
