#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pgtide {

// Counts the frames that begin in a client's byte stream, of any kind, fragments and control
// frames included (RFC 6455, 5.2): what `limits.frames_per_second` is about. It reads headers and
// skips payloads; whether they are right is the WebSocket layer's to say. Total over any bytes.
class FrameCounter {
 public:
  // The next bytes of the stream; how many frames' headers end in them.
  std::size_t count(std::string_view bytes);

 private:
  void read_header_byte(std::uint8_t byte);

  std::uint64_t payload_left_ = 0;
  std::uint64_t length_ = 0;
  std::uint8_t header_at_ = 0;    // bytes of this header already read
  std::uint8_t length_end_ = 2;   // both known once its second byte is there
  std::uint8_t header_size_ = 2;
};

}  // namespace pgtide
