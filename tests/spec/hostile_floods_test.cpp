#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "support/serving.hpp"

// Clients of many addresses, or of one, that come too often, against the program itself: what the
// sum of them may ask, and who is served all the same.
using namespace pgtide::test;

namespace hostile_floods {
namespace {

struct Bridge {
  explicit Bridge(const std::vector<std::string>& arguments) : serving(stage, "port", arguments) {}
  const std::string& address() const { return serving.address(); }

  Stage stage;
  Serving serving;
};

std::vector<std::string> from(const std::string& address) {
  return {"X-Forwarded-For: " + address};
}

// A connection from another address of loopback's network. False: it was closed unread.
bool is_let_in(const std::string& address, const std::string& source) {
  sockaddr_in own{};
  own.sin_family = AF_INET;
  inet_pton(AF_INET, source.c_str(), &own.sin_addr);
  sockaddr_in to = own;
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  to.sin_port = htons(
      static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(::bind(made, reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0);
  REQUIRE(::connect(made, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  const std::string request = "GET /healthz HTTP/1.0\r\n\r\n";
  (void)!::send(made, request.data(), request.size(), MSG_NOSIGNAL);
  char first = '\0';
  pollfd ready{made, POLLIN, 0};
  REQUIRE(::poll(&ready, 1, 30'000) == 1);
  const bool answered = ::recv(made, &first, 1, 0) == 1;
  ::close(made);
  return answered;
}

}  // namespace

TEST_CASE("floods: past what all may ask each address is answered once, and operators always") {
  Bridge bridge({"--server.trusted-proxies", "127.0.0.1",
                 "--limits.http-requests-per-second-in-all", "0.001"});
  const auto ask = [&](const std::string& address) {
    return http(bridge.address(), "GET /readyz", from(address)).status;
  };
  CHECK(ask("192.0.2.1") == 200);
  CHECK(ask("192.0.2.2") == 200);  // new, and the only one that has it
  CHECK(ask("192.0.2.1") == 429);
  CHECK(ask("192.0.2.3") == 429);
  CHECK(http(bridge.address(), "GET /readyz").status == 200);
  CHECK(http(bridge.address(), "GET /metrics").status == 200);
  CHECK(WireClient::upgrade(bridge.address(), "/realtime/subscribe", from("192.0.2.3")).status ==
        101);
}

TEST_CASE("floods: an address behind a proxy that upgrades too often is told 429, and no other") {
  Bridge bridge({"--server.trusted-proxies", "127.0.0.1",
                 "--limits.connections-per-second-per-address", "0.001"});
  const auto upgrade = [&](const std::string& address) {
    return WireClient::upgrade(bridge.address(), "/realtime/subscribe", from(address));
  };
  CHECK(upgrade("2001:db8::1").status == 101);
  const HttpReply refused = upgrade("2001:db8::2");  // of the same network
  CHECK(refused.status == 429);
  CHECK(refused.headers.at("retry-after") == "1");
  CHECK(upgrade("2001:db8::3").status == 429);
  CHECK(upgrade("2001:db8:0:1::1").status == 101);
  const std::string says =
      "2001:db8::2 opens more than the 0.001 connections a second of "
      "limits.connections_per_second_per_address: further ones are refused; raise it where many "
      "clients share an address, or name their proxy in server.trusted_proxies";
  CHECK(bridge.serving.lines_with(says).size() == 1);
}

TEST_CASE("floods: sockets of an address that comes too often are closed, and those of no other") {
  Bridge bridge({"--limits.connections-per-second", "0",
                 "--limits.connections-per-second-per-address", "20"});
  constexpr int burst = 20 * 20;
  int let_in = 0;
  while (let_in < 4 * burst && is_let_in(bridge.address(), "127.0.0.2")) ++let_in;
  CHECK(let_in >= burst);
  CHECK(let_in < 4 * burst);
  CHECK(is_let_in(bridge.address(), "127.0.0.3"));
  CHECK(metric_of(bridge.address(), "pgtide_sockets_refused_total") >= 1);
}

TEST_CASE("floods: on a proxy's connection nobody waits for what others have asked on it") {
  Bridge bridge({"--server.trusted-proxies", "127.0.0.1", "--limits.http-requests-per-second",
                 "0.2"});
  const auto request = [](const std::string& target, const std::string& client) {
    return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: " + client + "\r\n";
  };
  const std::string upgrade =
      "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  WireSocket pooled(bridge.address());
  for (int n = 0; n < 20; ++n) {
    CHECK(answer_to(pooled, request("/healthz", "192.0.2.1") + "\r\n").status == 200);
  }
  CHECK(answer_to(pooled, request("/realtime/subscribe", "192.0.2.2") + upgrade + "\r\n").status ==
        101);
}

TEST_CASE("floods: on a proxy's connection each client is counted by its address") {
  Bridge bridge({"--server.trusted-proxies", "127.0.0.1",
                 "--limits.http-requests-per-second-per-address", "0.001"});
  const auto ask = [](WireSocket& socket, const std::string& client) {
    return answer_to(socket, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: " +
                                 client + "\r\n\r\n")
        .status;
  };
  WireSocket pooled(bridge.address());
  CHECK(ask(pooled, "192.0.2.1") == 200);
  CHECK(ask(pooled, "192.0.2.2") == 200);
  CHECK(ask(pooled, "192.0.2.1") == 429);
}

}  // namespace hostile_floods
