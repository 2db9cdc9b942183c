#include "support/frame_stream.hpp"

namespace pgtide::bench {
namespace {

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

void append_big_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    out += static_cast<char>(value >> shift & 0xff);
  }
}

}  // namespace

std::size_t FrameStream::read_frame(std::string_view bytes, ServerFrame& frame) {
  if (bytes.size() < 2) return 0;
  const auto length_code = static_cast<std::uint8_t>(bytes[1] & 0x7f);
  const std::size_t length_bytes = length_code == 127 ? 8U : length_code == 126 ? 2U : 0U;
  const std::size_t header = 2 + length_bytes;
  if (bytes.size() < header) return 0;
  const std::uint64_t length = length_bytes == 0 ? length_code
                                                 : big_endian(bytes.substr(2, length_bytes));
  if (bytes.size() - header < length) return 0;
  frame.opcode = static_cast<std::uint8_t>(bytes[0] & 0x0f);
  frame.payload = bytes.substr(header, length);
  return header + static_cast<std::size_t>(length);
}

void FrameStream::keep(std::string_view rest) {
  std::string kept(rest);  // `rest` may lie in what is replaced
  unfinished_ = std::move(kept);
}

std::string masked_frame(std::uint8_t opcode, std::string_view payload) {
  constexpr char mask_bit = '\x80';
  std::string frame(1, static_cast<char>(0x80 | opcode));
  if (payload.size() < 126) {
    frame += static_cast<char>(mask_bit | static_cast<char>(payload.size()));
  } else {
    frame += static_cast<char>(mask_bit | 126);
    append_big_endian(frame, payload.size(), 2);
  }
  frame.append(4, '\0');
  frame.append(payload);
  return frame;
}

}  // namespace pgtide::bench
