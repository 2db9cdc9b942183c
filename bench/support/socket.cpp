#include "support/socket.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "support/bench.hpp"

namespace pgtide::bench {
namespace {

// The key of RFC 6455, 1.3: any will do, and the answer to it is not checked.
std::string upgrade_request(const std::string& address, const std::string& token) {
  const std::string credential = token.empty() ? "" : "Authorization: Bearer " + token + "\r\n";
  return "GET /realtime/subscribe HTTP/1.1\r\nHost: " + address +
         "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
         credential + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
}

// Reads the answer's head, and returns what came behind it.
std::string read_upgrade(int socket) {
  std::string head;
  std::size_t end = std::string::npos;
  while ((end = head.find("\r\n\r\n")) == std::string::npos) {
    std::array<char, 4096> part;
    const ssize_t got = recv(socket, part.data(), part.size(), 0);
    if (got <= 0) fail("the handshake was cut off");
    head.append(part.data(), static_cast<std::size_t>(got));
  }
  if (!head.starts_with("HTTP/1.1 101")) give_up("no upgrade: " + head);
  return head.substr(end + 4);
}

}  // namespace

void fail(const char* what) { give_up(std::string(what) + ": " + std::strerror(errno)); }

int connect_to(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<std::uint16_t>(std::atoi(address.c_str() + colon + 1)));
  if (inet_pton(AF_INET, address.substr(0, colon).c_str(), &peer.sin_addr) != 1) {
    give_up("no IPv4 address: " + address);
  }
  const int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (made < 0 || connect(made, reinterpret_cast<const sockaddr*>(&peer), sizeof peer) != 0) {
    fail("connect");
  }
  const int on = 1;
  setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return made;
}

void send_all(int socket, const std::string& bytes) {
  if (send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(bytes.size())) {
    fail("send");
  }
}

std::string upgrade(int socket, const std::string& address, const std::string& token) {
  send_all(socket, upgrade_request(address, token));
  return read_upgrade(socket);
}

}  // namespace pgtide::bench
