#pragma once
#include <unistd.h>

#include <string>

namespace pgtide::test {

// A loopback address that no other test program listens on or connects from, for servers that must
// come back at the same port: on 127.0.0.1 anybody's connection may have taken it meanwhile.
inline std::string own_loopback() {
  const auto pid = static_cast<unsigned>(getpid());
  return "127." + std::to_string(64 + (pid >> 16 & 63U)) + "." + std::to_string(pid >> 8 & 255U) +
         "." + std::to_string(1 + pid % 253);
}

}  // namespace pgtide::test
