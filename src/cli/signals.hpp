#pragma once
#include <chrono>
#include <csignal>
#include <initializer_list>
#include <optional>

namespace pgtide {

// Blocks signals for this thread and those it starts, so that wait() takes them one by one where
// the program wants them: no code runs inside a signal's interruption.
// SIGPIPE is ignored from then on: a log whose reader has gone is no reason to end.
class Signals {
 public:
  explicit Signals(std::initializer_list<int> signals);
  // The next one that arrives.
  int wait() const;
  // The same; none: it was not there in time.
  std::optional<int> wait_until(std::chrono::steady_clock::time_point time) const;

 private:
  sigset_t set_;
};

}  // namespace pgtide
