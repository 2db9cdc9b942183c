#include "capture/wake_signal.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "pgtide/result.hpp"

namespace pgtide {

WakeSignal::WakeSignal() : descriptor_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  PGTIDE_ASSERT(descriptor_ >= 0);
}

WakeSignal::~WakeSignal() { close(descriptor_); }

void WakeSignal::raise() {
  const std::uint64_t one = 1;
  // It fails only where the counter is full, and then it is raised.
  [[maybe_unused]] const auto written = write(descriptor_, &one, sizeof one);
}

void WakeSignal::clear() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto taken = read(descriptor_, &count, sizeof count);
}

void WakeSignal::wait(int socket, std::chrono::microseconds time) const {
  if (time.count() <= 0) return;
  pollfd watched[2] = {{descriptor_, POLLIN, 0}, {socket, POLLIN, 0}};
  timespec limit{};
  limit.tv_sec = static_cast<time_t>(time.count() / 1'000'000);
  limit.tv_nsec = static_cast<long>(time.count() % 1'000'000) * 1000;
  ppoll(watched, socket >= 0 ? 2 : 1, &limit, nullptr);
}

}  // namespace pgtide
