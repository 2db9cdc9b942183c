#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>

namespace pgtide {

// When the next bytes of a client are read: `limits.frames_per_second` as an account that may be
// overdrawn, since what a read brings is known afterwards. No I/O, no clock.
//
// A frame takes a token, and each KiB another, since what is in it is read and parsed. A read that
// brings no frame's head takes a quarter: bytes that come one by one cost a turn of the loop each,
// and while nothing is read they gather.
class ReadRate {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr double bytes_per_token = 1'024;
  static constexpr double tokens_of_read = 0.25;

  // A rate of 0: no limit. It begins with a second's worth.
  ReadRate(double per_second, Time now) : per_second_(per_second), tokens_(per_second), at_(now) {}

  // What one read has brought.
  void charge(std::size_t frames, std::size_t bytes) {
    tokens_ -= std::max(static_cast<double>(frames), tokens_of_read) +
               static_cast<double>(bytes) / bytes_per_token;
  }
  // How long nothing is to be read.
  std::chrono::duration<double> wait(Time now) {
    if (per_second_ <= 0) return {};
    const std::chrono::duration<double> passed = now - at_;
    at_ = now;
    tokens_ = std::min(per_second_, tokens_ + passed.count() * per_second_);
    return std::chrono::duration<double>(std::max(0.0, -tokens_ / per_second_));
  }

 private:
  double per_second_;
  double tokens_;
  Time at_;
};

}  // namespace pgtide
