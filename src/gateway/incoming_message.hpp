#pragma once
#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <cstddef>
#include <string>
#include <string_view>

#include "broker/memory_account.hpp"

namespace pgtide {

// A client's message while it comes. An idle connection keeps a few bytes ready for the beginning
// of one; a longer one grows by what is read at a time. (Beast's read of a whole message keeps
// 1.5 KiB ready, on each idle connection.) Counted with its connection as far as it needs no room
// (message_room.hpp).
class IncomingMessage {
 public:
  // `idle_bytes`: what the connection takes besides.
  IncomingMessage(MemoryAccount* memory, std::size_t idle_bytes)
      : idle_bytes_(idle_bytes), held_(memory, MemoryKind::connections, idle_bytes) {}

  bool needs_room() const { return size_ >= first_bytes + further_bytes; }
  // How many bytes may still come where all of them may be `max`.
  std::size_t rest_at_most(std::size_t max) const { return max > size_ ? max - size_ : 1; }
  // So many still come, one at least. What it then takes; nothing is taken before where().
  std::size_t expect(std::size_t further) {
    whole_ = size_ + further;
    return std::max(whole_, text_.capacity());
  }
  // Bytes of it have come that took() was not told of: they wait for their turn here.
  bool in_hand() const { return in_hand_; }
  void came() { in_hand_ = true; }
  // Where the next bytes of it go, until took().
  boost::asio::mutable_buffer where() {
    if (size_ == 0) return boost::asio::buffer(first_);
    if (needs_room()) make_long();
    text_.resize(std::min(size_ + further_bytes, needs_room() ? whole_ : text_.max_size()));
    held_.set(idle_bytes_ + std::min(text_.capacity(), first_bytes + further_bytes));
    return boost::asio::buffer(text_) + size_;
  }
  void took(std::size_t bytes) {
    in_hand_ = false;
    if (size_ == 0) text_.assign(first_.data(), bytes);
    size_ += bytes;
  }
  std::string_view text() const { return std::string_view(text_).substr(0, size_); }
  void forget() {
    std::string().swap(text_);  // assigned an empty one, it would keep its bytes
    size_ = 0;
    held_.set(idle_bytes_);
  }

 private:
  // A string that grows at least doubles: this one gets what it needs.
  void make_long() {
    if (text_.capacity() >= whole_) return;
    std::string longer;
    longer.reserve(whole_);
    longer.assign(text_);
    text_.swap(longer);
  }

  static constexpr std::size_t first_bytes = 128;
  static constexpr std::size_t further_bytes = 4'096;

  std::array<char, first_bytes> first_{};
  std::string text_{};  // what has been read of it, and where more of it goes
  std::size_t size_ = 0;
  std::size_t whole_ = 0;  // once it needs room: its size, or the most that it may get
  bool in_hand_ = false;
  std::size_t idle_bytes_;
  MemoryCharge held_;
};

}  // namespace pgtide
