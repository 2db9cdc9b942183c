#pragma once
#include <array>
#include <atomic>
#include <cstddef>

namespace pgtide {

// How many bytes are held in pieces of which size, over all shards: so that each of them knows from
// which size on a piece is among the largest of the program, and asks no other one.
//
// Sizes are kept by class, four to each power of two: pieces of one class differ by less than a
// fourth. Any thread. What another thread changes at the same moment may be seen in between: a
// floor is a moment's estimate.
class SizeLedger {
 public:
  // A piece of `from` bytes is one of `to` from now on; 0: there is none.
  void change(std::size_t from, std::size_t to);

  // The largest size such that the pieces of that size or more have `bytes` together; 0 where all
  // pieces have less.
  std::size_t floor_of(std::size_t bytes) const;

 private:
  static constexpr std::size_t classes = 256;
  static std::size_t class_of(std::size_t size);
  static std::size_t least_of(std::size_t size_class);

  std::array<std::atomic<std::size_t>, classes> bytes_{};
};

// A piece in a ledger, which outlives it, for as long as this lives. One thread at a time.
class SizeEntry {
 public:
  // Null: it is written nowhere.
  explicit SizeEntry(SizeLedger* ledger) : ledger_(ledger) {}
  SizeEntry(const SizeEntry&) = delete;
  SizeEntry& operator=(const SizeEntry&) = delete;
  ~SizeEntry() { set(0); }

  void set(std::size_t bytes) {
    if (ledger_ == nullptr || bytes == bytes_) return;
    ledger_->change(bytes_, bytes);
    bytes_ = bytes;
  }

 private:
  SizeLedger* ledger_;
  std::size_t bytes_ = 0;
};

}  // namespace pgtide
