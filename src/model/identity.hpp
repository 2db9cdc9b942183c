#pragma once
#include <chrono>
#include <optional>
#include <string>

#include "model/principal.hpp"

namespace pgtide {

// What a credential says: for whom, and until when; and by which key.
struct Identity {
  Principal principal{};
  std::optional<std::chrono::system_clock::time_point> expires_at{};  // none: never
  std::string key{};  // names the key that proved it, to who gave this; says nothing else

  friend bool operator==(const Identity&, const Identity&) = default;
};

}  // namespace pgtide
