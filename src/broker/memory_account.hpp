#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace pgtide {

// What clients make a bridge hold.
enum class MemoryKind : std::uint8_t {
  frames,         // runs that wait for a reader at least, each once however many share it
  backlogs,       // the entries of what waits, per connection, and the rest of a cut run
  replies,        // replies and notices that wait
  subscriptions,  // patterns and filters, with what they are compiled to
  connections,    // what each takes by itself; heads and messages that are not yet whole
};
inline constexpr std::size_t memory_kinds = 5;
std::string_view to_string(MemoryKind kind);

// What is done where memory runs short, from the first step to the last.
enum class MemoryStep : std::uint8_t { backlog_dropped, subscription_refused, connection_refused };
inline constexpr std::size_t memory_steps = 3;
std::string_view to_string(MemoryStep step);

// The account of limits.memory_bytes: how much of it is used by what, over all shards.
//
// Bytes are what was asked of the allocator, or an estimate of it; what the allocator, the kernel's
// sockets and the program itself take comes on top. An account refuses nothing by itself: whoever
// is about to take more asks it. The steps, in order:
//   over()                the largest backlogs fall behind, until eased()
//   takes_subscription()  no: `server_busy`. Also where what cannot be dropped (subscriptions,
//                         connections, replies) has half of the limit, so that filters never
//                         take the room that readers need for what they are about to fetch
//   takes_connection()    no: HTTP 503. The same at three quarters
// Any thread; figures of two kinds may be of two moments.
class MemoryAccount {
 public:
  // 0: no limit, but everything is counted.
  explicit MemoryAccount(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  void add(MemoryKind kind, std::size_t bytes) { change(kind, bytes); }
  // No more than was added.
  void take(MemoryKind kind, std::size_t bytes) { change(kind, std::size_t{0} - bytes); }

  std::size_t bytes_max() const { return bytes_max_; }
  std::size_t used(MemoryKind kind) const {
    return used_[static_cast<std::size_t>(kind)].bytes.load(std::memory_order_relaxed);
  }
  std::size_t used() const {
    return used(MemoryKind::frames) + used(MemoryKind::backlogs) + lasting();
  }

  bool over() const { return bytes_max_ != 0 && used() > bytes_max_; }
  // Far enough below the limit that the next step up is not at once the next fall.
  bool eased() const { return bytes_max_ == 0 || used() <= bytes_max_ - bytes_max_ / 4; }
  bool takes_subscription() const {
    return bytes_max_ == 0 || (used() <= bytes_max_ && lasting() <= bytes_max_ / 2);
  }
  bool takes_connection() const {
    return bytes_max_ == 0 || (used() <= bytes_max_ + bytes_max_ / 8 &&
                               lasting() <= bytes_max_ - bytes_max_ / 4);
  }

  void note(MemoryStep step) { ++steps_[static_cast<std::size_t>(step)]; }
  std::uint64_t steps(MemoryStep step) const { return steps_[static_cast<std::size_t>(step)]; }

 private:
  void change(MemoryKind kind, std::size_t by) {
    used_[static_cast<std::size_t>(kind)].bytes.fetch_add(by, std::memory_order_relaxed);
  }
  std::size_t lasting() const {
    return used(MemoryKind::subscriptions) + used(MemoryKind::connections) +
           used(MemoryKind::replies);
  }

  struct alignas(64) Used {  // a cache line each: shards add to the same ones all the time
    std::atomic<std::size_t> bytes = 0;
  };

  const std::size_t bytes_max_;
  std::array<Used, memory_kinds> used_{};
  std::array<std::atomic<std::uint64_t>, memory_steps> steps_{};
};

// Bytes in an account, which outlives it, for as long as this lives. One thread at a time.
class MemoryCharge {
 public:
  MemoryCharge() = default;
  // Null: nothing is counted.
  MemoryCharge(MemoryAccount* account, MemoryKind kind, std::size_t bytes = 0)
      : account_(account), kind_(kind) {
    set(bytes);
  }
  MemoryCharge(MemoryCharge&& other) noexcept { *this = std::move(other); }
  MemoryCharge& operator=(MemoryCharge&& other) noexcept {
    if (this == &other) return *this;
    set(0);
    account_ = other.account_;
    kind_ = other.kind_;
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }
  ~MemoryCharge() { set(0); }

  // It is so much from now on.
  void set(std::size_t bytes) {
    if (account_ == nullptr || bytes == bytes_) return;
    account_->add(kind_, bytes - bytes_);
    bytes_ = bytes;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  MemoryAccount* account_ = nullptr;
  MemoryKind kind_ = MemoryKind::frames;
  std::size_t bytes_ = 0;
};

}  // namespace pgtide
