#pragma once
#include <chrono>
#include <optional>

#include "model/principal.hpp"

namespace pgtide {

// What a credential says: for whom, and until when.
struct Identity {
  Principal principal{};
  std::optional<std::chrono::system_clock::time_point> expires_at{};  // none: never

  friend bool operator==(const Identity&, const Identity&) = default;
};

}  // namespace pgtide
