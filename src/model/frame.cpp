#include "model/frame.hpp"

#include <cstdint>

#include "pgtide/result.hpp"

namespace pgtide {
namespace {

constexpr unsigned char final_text = 0x81;  // FIN, opcode 1
constexpr std::size_t length_in_16_bits = 126;
constexpr std::size_t length_in_64_bits = 127;

}  // namespace

void append_text_frame(std::string& out, std::string_view payload) {
  append_text_header(out, payload.size());
  out.append(payload);
}

std::string make_text_frame(std::string_view payload) {
  std::string frame;
  append_text_frame(frame, payload);
  return frame;
}

void append_text_header(std::string& out, std::size_t payload_bytes) {
  const auto put = [&out](std::size_t byte) { out += static_cast<char>(byte & 0xff); };
  put(final_text);
  if (payload_bytes < length_in_16_bits) {
    put(payload_bytes);
  } else if (payload_bytes <= 0xffff) {
    put(length_in_16_bits);
    put(payload_bytes >> 8);
    put(payload_bytes);
  } else {
    put(length_in_64_bits);
    for (int shift = 56; shift >= 0; shift -= 8) put(payload_bytes >> shift);
  }
}

std::size_t frame_size_at(std::string_view frames) {
  const auto byte = [frames](std::size_t at) {
    PGTIDE_ASSERT(at < frames.size());
    return static_cast<std::size_t>(static_cast<unsigned char>(frames[at]));
  };
  const std::size_t length = byte(1);
  if (length < length_in_16_bits) return 2 + length;
  if (length == length_in_16_bits) return 4 + (byte(2) << 8 | byte(3));
  std::size_t size = 0;
  for (std::size_t i = 2; i < frame_header_bytes_max; ++i) size = size << 8 | byte(i);
  return frame_header_bytes_max + size;
}

}  // namespace pgtide
