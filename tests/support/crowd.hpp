#pragma once
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace pgtide::test {

// How many clients a crowd has: `usual`, a tenth of it under sanitizers, or PGTIDE_TEST_CROWD. No
// more than descriptors allow, of which this takes all that it may; the program inherits them.
inline std::size_t crowd_size(std::size_t usual) {
#ifdef PGTIDE_SANITIZE
  usual /= 10;
#endif
  constexpr rlim_t kept_for_others = 400;
  const char* wanted = std::getenv("PGTIDE_TEST_CROWD");
  const std::size_t size = wanted != nullptr ? std::stoul(wanted) : usual;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return std::min<std::size_t>(size, limit.rlim_cur - kept_for_others);
}

// A socket to `address`, "127.0.0.1:port". A receive buffer of 0 bytes is the system's.
inline int connect_to(const std::string& address, int receive_buffer = 0) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(
      static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(made >= 0);
  if (receive_buffer > 0) {
    ::setsockopt(made, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  REQUIRE(::connect(made, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  return made;
}

inline const std::string crowd_handshake =
    "GET /realtime/subscribe HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n";

}  // namespace pgtide::test
