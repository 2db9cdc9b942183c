#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pgtide::bench {

// One WebSocket frame of a server: unmasked, never fragmented by ours (RFC 6455, 5.2).
struct ServerFrame {
  std::uint8_t opcode = 0;  // 1 text, 8 close, 9 ping
  std::string_view payload{};
};

// Cuts the bytes of one connection into frames; what is unfinished waits for the next bytes. It
// copies only that, so that a reader of gigabytes costs little beside the system calls.
class FrameStream {
 public:
  // Calls `take(const ServerFrame&)` for each frame that ends in these bytes.
  template <class Take>
  void feed(std::string_view bytes, Take&& take) {
    if (!unfinished_.empty()) {
      unfinished_.append(bytes);
      bytes = unfinished_;
    }
    std::size_t used = 0;
    ServerFrame frame;
    while (const std::size_t size = read_frame(bytes.substr(used), frame)) {
      take(frame);
      used += size;
    }
    keep(bytes.substr(used));
  }

 private:
  // The size of the frame that `bytes` begin with, and what it is; 0: it is unfinished.
  static std::size_t read_frame(std::string_view bytes, ServerFrame& frame);
  void keep(std::string_view rest);

  std::string unfinished_;
};

// A client's frame, masked as it has to be; with the key 0, which is as good as any on loopback.
std::string masked_frame(std::uint8_t opcode, std::string_view payload);

}  // namespace pgtide::bench
