#pragma once
#include <cstdint>
#include <string>

namespace pgtide::bench {

// The opcodes of RFC 6455, 5.2, that ours and theirs use.
constexpr std::uint8_t text_opcode = 1, close_opcode = 8, ping_opcode = 9, pong_opcode = 10;

// Gives up with `what` and the system's word for errno.
[[noreturn]] void fail(const char* what);

// A TCP connection to "127.0.0.1:8080", blocking, without Nagle's delay. What fails gives up.
int connect_to(const std::string& address);
void send_all(int socket, const std::string& bytes);
// Makes it a WebSocket, as the owner of `token` (empty: anonymous), and returns the bytes that came
// behind the answer's head.
std::string upgrade(int socket, const std::string& address, const std::string& token);

}  // namespace pgtide::bench
