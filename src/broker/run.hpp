#pragma once
#include <cstddef>
#include <memory>
#include <string>

#include "broker/memory_account.hpp"

namespace pgtide {

// Whole WebSocket frames, ready to send, shared by everyone who gets them: what one delivery class
// gets out of one batch (ARCHITECTURE, "Write in bulk"). Never empty, never changed.
struct Run {
  std::string frames{};
  std::size_t events = 0;  // frames in it
  MemoryCharge charge{};   // of `frames`, until the last reader has it
};
using SharedRun = std::shared_ptr<const Run>;

}  // namespace pgtide
