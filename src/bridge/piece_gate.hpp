#pragma once
#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace pgtide {

// The bounded queue between the source and one shard, as an account of bytes: the source enters
// with each piece and waits while too many are inside; the shard lets a piece out when it takes it.
// A full gate stops the reading: the log waits in the database, and memory stays flat.
//
// The only lock between the source and a shard, taken once per piece.
class PieceGate {
 public:
  // Four pieces of a large batch: the next is read and checked while one is sent.
  static constexpr std::size_t bytes_max = 4'194'304;

  // Source's thread: waits until fewer than `bytes_max` are inside, then adds `bytes`. False once
  // the gate is shut.
  bool enter(std::size_t bytes) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return shut_ || inside_ < bytes_max; });
    if (shut_) return false;
    inside_ += bytes;
    return true;
  }
  // Shard's thread.
  void leave(std::size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      inside_ -= bytes;
    }
    room_.notify_one();
  }
  // Any thread: has a piece entered that was not taken?
  bool holds_any() {
    const std::lock_guard lock(mutex_);
    return inside_ > 0;
  }
  // Any thread: nobody waits from now on.
  void shut() {
    {
      const std::lock_guard lock(mutex_);
      shut_ = true;
    }
    room_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable room_;
  std::size_t inside_ = 0;
  bool shut_ = false;
};

}  // namespace pgtide
