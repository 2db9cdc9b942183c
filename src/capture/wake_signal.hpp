#pragma once
#include <chrono>

namespace pgtide {

// Interrupts the source's thread while it waits for its database: an eventfd beside the socket.
// raise() may be called from any thread; the rest belongs to the source's.
class WakeSignal {
 public:
  WakeSignal();
  ~WakeSignal();
  WakeSignal(const WakeSignal&) = delete;
  WakeSignal& operator=(const WakeSignal&) = delete;

  void raise();
  void clear();
  // Returns when `socket` (-1: none) is readable, the signal is raised, or `time` has passed.
  void wait(int socket, std::chrono::microseconds time) const;

 private:
  int descriptor_;
};

}  // namespace pgtide
