#pragma once
#include <cstddef>
#include <memory>
#include <string>

namespace pgtide {

// Whole WebSocket frames, ready to send, shared by everyone who gets them: what one delivery class
// gets out of one batch (ARCHITECTURE, "Write in bulk"). Never empty, never changed.
struct Run {
  std::string frames{};
  std::size_t events = 0;  // frames in it
};
using SharedRun = std::shared_ptr<const Run>;

}  // namespace pgtide
