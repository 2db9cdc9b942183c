#include "gateway/frame_counter.hpp"

#include <algorithm>

namespace pgtide {

void FrameCounter::read_header_byte(std::uint8_t byte) {
  if (header_at_ == 1) {
    const auto short_length = static_cast<std::uint8_t>(byte & 0x7fU);
    const std::uint8_t long_bytes = short_length == 126 ? 2 : short_length == 127 ? 8 : 0;
    const std::uint8_t mask_bytes = (byte & 0x80U) != 0 ? 4 : 0;
    length_end_ = static_cast<std::uint8_t>(2 + long_bytes);
    header_size_ = static_cast<std::uint8_t>(length_end_ + mask_bytes);
    length_ = long_bytes == 0 ? short_length : 0;
  } else if (header_at_ > 1 && header_at_ < length_end_) {
    length_ = length_ << 8 | byte;
  }
  ++header_at_;
}

std::size_t FrameCounter::count(std::string_view bytes) {
  std::size_t frames = 0;
  while (!bytes.empty()) {
    if (payload_left_ > 0) {
      const auto skipped = std::min<std::uint64_t>(payload_left_, bytes.size());
      payload_left_ -= skipped;
      bytes.remove_prefix(static_cast<std::size_t>(skipped));
      continue;
    }
    read_header_byte(static_cast<std::uint8_t>(bytes.front()));
    bytes.remove_prefix(1);
    if (header_at_ < header_size_) continue;
    ++frames;
    payload_left_ = length_;
    header_at_ = 0;
    header_size_ = 2;
    length_ = 0;
  }
  return frames;
}

}  // namespace pgtide
