#pragma once
#include <cstddef>
#include <string>
#include <string_view>

// WebSocket frames as a server sends them (RFC 6455, 5.2): one frame per message, not masked, so
// the bytes are equal for all receivers.
namespace pgtide {

// Longest header of a server's frame: two bytes and a 64-bit length.
inline constexpr std::size_t frame_header_bytes_max = 10;

// Appends a whole text frame. `payload` is valid UTF-8.
void append_text_frame(std::string& out, std::string_view payload);

// The same, by itself.
std::string make_text_frame(std::string_view payload);

// Appends the header alone: the caller appends the `payload_bytes` of payload.
void append_text_header(std::string& out, std::size_t payload_bytes);

// Bytes of the frame that starts at `frames[0]`, header included. `frames` begins with a whole
// frame made by append_text_frame().
std::size_t frame_size_at(std::string_view frames);

}  // namespace pgtide
