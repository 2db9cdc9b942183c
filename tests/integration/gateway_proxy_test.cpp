#include <doctest/doctest.h>

#include "gateway/trusted_proxies.hpp"
#include "integration/gateway_rig.hpp"

// Proxies in front, whose word on the client's address is believed or not.
using namespace pgtide;
using namespace pgtide::test;

TEST_CASE("gateway: the client is the rightmost address that no trusted proxy has") {
  struct Row {
    std::string peer;
    std::string forwarded;
    std::string client;  // empty: the peer
    std::string why;
  };
  const Row rows[] = {
      {"10.0.0.1", "1.2.3.4", "1.2.3.4", "one proxy"},
      {"10.255.0.1", "9.9.9.9, 1.2.3.4", "1.2.3.4", "what stands left of it is anybody's"},
      {"10.0.0.1", "9.9.9.9, 1.2.3.4 ,10.0.0.2,\t10.0.0.3", "1.2.3.4", "a chain of them"},
      {"10.0.0.1", "10.0.0.2", "10.0.0.2", "proxies only: the first of them"},
      {"11.0.0.1", "1.2.3.4", "", "a peer that is not trusted"},
      {"192.168.1.1", "1.2.3.4", "1.2.3.4", "an address alone"},
      {"192.168.1.2", "1.2.3.4", "", "its neighbour"},
      {"172.16.128.1", "1.2.3.4", "1.2.3.4", "bits in the middle of a byte"},
      {"172.32.0.1", "1.2.3.4", "", "past them"},
      {"fd00::7", "2001:db8::1", "2001:db8::1", "IPv6"},
      {"fd00::7", "[2001:db8::1]:443", "2001:db8::1", "with a port"},
      {"10.0.0.1", "1.2.3.4:567", "1.2.3.4", "IPv4 with a port"},
      {"10.0.0.1", "", "", "no header"},
      {"10.0.0.1", "unknown", "", "no address"},
      {"10.0.0.1", "1.2.3.4, nonsense, 10.0.0.2", "10.0.0.2", "up to what cannot be read"},
      {"::ffff:10.0.0.1", "1.2.3.4", "1.2.3.4", "mapped"},
  };
  const auto proxies =
      TrustedProxies::parse({"10.0.0.0/8", "192.168.1.1", "172.16.0.0/12", "fd00::/8"});
  REQUIRE(proxies.ok());
  for (const Row& row : rows) {
    CAPTURE(row.why);
    CHECK(proxies->find_client(row.peer, row.forwarded).value_or("") == row.client);
  }
  CHECK(!TrustedProxies().find_client("127.0.0.1", "1.2.3.4"));
  for (const char* wrong : {"", "proxy", "10.0.0.0/33", "fd00::/129", "10.0.0/8", "10.0.0.0/", "/8",
                            "10.0.0.0/8x", "10.0.0.0/-1"}) {
    CAPTURE(wrong);
    CHECK(!TrustedProxies::parse({wrong}));
  }
}

TEST_CASE("gateway: behind a trusted proxy connections count by the client's address") {
  RigOptions options;
  options.gateway.trusted_proxies = *TrustedProxies::parse({"127.0.0.0/8"});
  Rig rig(options);
  RawSocket socket(rig);
  socket.shake_hands("X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 1.2.3.4\r\n");
  socket.read_frame();
  CHECK(rig.on_shard([&] { return rig.broker.record(0).remote_address; }) == "1.2.3.4");
  const std::lock_guard lock(rig.op.mutex);
  CHECK(rig.op.last_address == "1.2.3.4");
}

TEST_CASE("gateway: without one the header gives no address") {
  Rig rig;
  RawSocket socket(rig);
  socket.shake_hands("X-Forwarded-For: 1.2.3.4\r\n");
  socket.read_frame();
  const std::lock_guard lock(rig.op.mutex);
  CHECK(rig.op.last_address == "127.0.0.1");
}
