#pragma once
#include <chrono>
#include <random>

namespace pgtide {

// How long to wait before trying again: doubling from `first` to `most`, and of that a random half
// at least, so that bridges that lost one server do not come back in step.
class Backoff {
 public:
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds most)
      : first_(first), most_(most), next_(first), random_(std::random_device{}()) {}

  std::chrono::milliseconds next() {
    const auto whole = next_;
    next_ = std::min(next_ * 2, most_);
    std::uniform_int_distribution<std::chrono::milliseconds::rep> part(whole.count() / 2,
                                                                       whole.count());
    return std::chrono::milliseconds(part(random_));
  }
  void reset() { next_ = first_; }

 private:
  std::chrono::milliseconds first_;
  std::chrono::milliseconds most_;
  std::chrono::milliseconds next_;
  std::minstd_rand random_;
};

}  // namespace pgtide
