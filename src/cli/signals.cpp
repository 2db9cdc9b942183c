#include "cli/signals.hpp"

#include <pthread.h>

#include <algorithm>
#include <cerrno>

namespace pgtide {

Signals::Signals(std::initializer_list<int> signals) {
  sigemptyset(&set_);
  for (const int signal : signals) sigaddset(&set_, signal);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int Signals::wait() const {
  int signal = 0;
  while (sigwait(&set_, &signal) != 0) {
  }
  return signal;
}

std::optional<int> Signals::wait_until(std::chrono::steady_clock::time_point time) const {
  for (;;) {
    const auto left = std::max(time - std::chrono::steady_clock::now(),
                               std::chrono::steady_clock::duration::zero());
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    timespec limit{};
    limit.tv_sec = seconds.count();
    limit.tv_nsec = std::chrono::nanoseconds(left - seconds).count();
    const int signal = sigtimedwait(&set_, nullptr, &limit);
    if (signal > 0) return signal;
    if (errno == EAGAIN) return std::nullopt;
  }
}

}  // namespace pgtide
