#pragma once
#include <chrono>
#include <cstdint>
#include <optional>

namespace pgtide {

// How many lines of one kind a log takes: `lines` in `period`, so that nobody who can cause them
// can fill a disk. The first line of a later period tells how many were left out. Time is an
// argument and never goes back.
class LineLimit {
 public:
  using Time = std::chrono::steady_clock::time_point;

  LineLimit(unsigned lines, std::chrono::seconds period) : lines_(lines), period_(period) {}

  // None: leave this line out. Else how many were left out before it.
  std::optional<std::uint64_t> admit(Time now) {
    if (!begun_ || now >= *begun_ + period_) {
      begun_ = now;
      written_ = 0;
    }
    if (written_ == lines_) {
      ++left_out_;
      return std::nullopt;
    }
    ++written_;
    const std::uint64_t before = left_out_;
    left_out_ = 0;
    return before;
  }

 private:
  const unsigned lines_;
  const std::chrono::seconds period_;
  std::optional<Time> begun_{};
  unsigned written_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace pgtide
