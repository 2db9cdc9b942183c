#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "broker/size_ledger.hpp"

namespace pgtide {

// What clients make a bridge hold.
enum class MemoryKind : std::uint8_t {
  frames,         // runs that wait for a reader at least, each once however many share it
  backlogs,       // the entries of what waits, per connection
  replies,        // what waits and is never dropped: replies, notices, the rest of a cut run
  subscriptions,  // patterns and filters, with what they are compiled to
  connections,    // what each takes by itself; heads and short messages that are not yet whole
  messages,       // the room that is kept for long ones that are not yet whole
};
inline constexpr std::size_t memory_kinds = 6;
std::string_view to_string(MemoryKind kind);

// What is done where memory runs short, from the first step to the last.
enum class MemoryStep : std::uint8_t {
  backlog_dropped,
  client_cut_off,
  subscription_ended,
  subscription_refused,
  connection_refused
};
inline constexpr std::size_t memory_steps = 5;
std::string_view to_string(MemoryStep step);

// The account of limits.memory_bytes: how much of it is used by what, over all shards.
//
// Bytes are what was asked of the allocator, or an estimate of it; what the allocator, the kernel's
// sockets and the program itself take comes on top. An account refuses nothing by itself: whoever
// is about to take more asks it. The steps, in order:
//   over()                the largest backlogs fall behind, until eased()
//   unread_over()         replies, which are never dropped, have an eighth of the limit: those that
//                         let most of them wait are cut off, until unread_eased()
//   message_bytes_over()  a message is not read on, or others give way. They have another eighth
//   takes_subscription()  no: `server_busy`. Also where what cannot be dropped (subscriptions,
//                         connections, replies, messages) has half of the limit, so that filters
//                         never take the room that readers need for what they are about to fetch.
//                         Whose address has less than its share gets it for somebody's latest one
//                         (memory_shares.hpp), as long as exchanges_subscription()
//   takes_connection()    no: HTTP 503. The same at three quarters
// Whose backlog or whose replies are the largest is asked of all shards, by two ledgers: else those
// of one shard would pay for those of another. Any thread; figures of two kinds may be of two
// moments.
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
  // By so much that a shard no longer leaves it to the others to drop what is larger than its own.
  bool far_over() const { return bytes_max_ != 0 && used() > bytes_max_ + bytes_max_ / 8; }
  // Far enough below the limit that the next step up is not at once the next fall.
  bool eased() const { return bytes_max_ == 0 || used() <= eased_bytes(); }
  // What is to be given back until then.
  std::size_t bytes_to_ease() const { return eased() ? 0 : used() - eased_bytes(); }
  // The same of what is never dropped.
  bool unread_over() const {
    return bytes_max_ != 0 && used(MemoryKind::replies) > bytes_max_ / 8;
  }
  bool unread_eased() const { return unread_bytes_to_ease() == 0; }
  std::size_t unread_bytes_to_ease() const {
    const std::size_t unread = used(MemoryKind::replies), most = bytes_max_ / 8 - bytes_max_ / 32;
    return bytes_max_ == 0 || unread <= most ? 0 : unread - most;
  }
  // What a message of so many bytes would be too many; none where it is the only one.
  std::size_t message_bytes_over(std::size_t bytes) const {
    const std::size_t held = used(MemoryKind::messages), most = bytes_max_ / 8;
    return bytes_max_ == 0 || held == 0 || held + bytes <= most ? 0 : held + bytes - most;
  }
  bool takes_subscription() const {
    return bytes_max_ == 0 || (used() <= bytes_max_ && lasting() <= bytes_max_ / 2);
  }
  // One for others, which may be a little less.
  bool exchanges_subscription() const {
    return used() <= bytes_max_ + bytes_max_ / 8 &&
           lasting() <= bytes_max_ / 2 + bytes_max_ / 8;
  }
  bool takes_connection() const {
    return bytes_max_ == 0 || (used() <= bytes_max_ + bytes_max_ / 8 &&
                               lasting() <= bytes_max_ - bytes_max_ / 4);
  }

  // By connection: what the fall of its backlog would give back, and what it has not read.
  SizeLedger& backlog_sizes() { return backlog_sizes_; }
  SizeLedger& unread_sizes() { return unread_sizes_; }

  void note(MemoryStep step) { ++steps_[static_cast<std::size_t>(step)]; }
  std::uint64_t steps(MemoryStep step) const { return steps_[static_cast<std::size_t>(step)]; }

 private:
  std::size_t eased_bytes() const { return bytes_max_ - bytes_max_ / 4; }
  void change(MemoryKind kind, std::size_t by) {
    used_[static_cast<std::size_t>(kind)].bytes.fetch_add(by, std::memory_order_relaxed);
  }
  std::size_t lasting() const {
    return used(MemoryKind::subscriptions) + used(MemoryKind::connections) +
           used(MemoryKind::replies) + used(MemoryKind::messages);
  }

  struct alignas(64) Used {  // a cache line each: shards add to the same ones all the time
    std::atomic<std::size_t> bytes = 0;
  };

  const std::size_t bytes_max_;
  std::array<Used, memory_kinds> used_{};
  std::array<std::atomic<std::uint64_t>, memory_steps> steps_{};
  SizeLedger backlog_sizes_;
  SizeLedger unread_sizes_;
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
