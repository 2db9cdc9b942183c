#pragma once
#include <memory>

namespace pgtide {

// At which door a socket was accepted: the one for all, or one of two apart.
enum class Entrance { everyone, clients, operators };

// How a socket came.
struct Arrival {
  Entrance entrance = Entrance::everyone;
  bool spare = false;             // past the limits: it is answered once, and then closed
  std::shared_ptr<void> place{};  // counts it among the limits for as long as it lives
};

}  // namespace pgtide
