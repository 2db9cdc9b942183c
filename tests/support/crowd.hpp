#pragma once
#include <sys/resource.h>

#include <algorithm>
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

inline const std::string crowd_handshake =
    "GET /realtime/subscribe HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n";

}  // namespace pgtide::test
