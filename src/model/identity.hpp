#pragma once
#include <chrono>
#include <cstdint>
#include <optional>

#include "model/principal.hpp"

namespace pgtide {

// What a key is known by as long as connections last that it let in: 64 bits of its digest. It says
// nothing else of the key. 0: there was none.
using KeyPrint = std::uint64_t;

// What a credential says: for whom, and until when; and by which key.
struct Identity {
  Principal principal{};
  std::optional<std::chrono::system_clock::time_point> expires_at{};  // none: never
  KeyPrint key = 0;  // of the one that proved it

  friend bool operator==(const Identity&, const Identity&) = default;
};

}  // namespace pgtide
