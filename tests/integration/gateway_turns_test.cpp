#include <algorithm>

#include "gateway_rig.hpp"

// In which order what clients ask is done, where much is asked at a time.
namespace pgtide::test {
namespace {

// The order in which a crowd's messages ('m') and another's HTTP ('h') are done that all ask while
// the shard is busy.
std::string order_of(std::size_t messages, std::size_t requests) {
  RigOptions options;
  options.gateway.loopback_admin = false;
  std::atomic<bool> wait = false;
  options.gateway.events_wait = [&] { return wait.load(); };
  Rig rig(options);
  std::vector<Client> clients;
  for (std::size_t n = 0; n < messages; ++n) {
    clients.push_back(rig.connect());
    REQUIRE(next_type(clients.back()) == "connected");
  }
  std::vector<RawSocket> sockets;
  for (std::size_t n = 0; n < requests; ++n) {
    sockets.emplace_back(rig);
    sockets.back().send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    REQUIRE(sockets.back().read_bytes(1) == "H");
  }
  wait = true;
  const int begun = rig.op.requests_left;
  std::promise<void> asked;
  boost::asio::post(rig.context, [wanted = asked.get_future().share()] { wanted.wait(); });
  for (Client& client : clients) say(client, R"({"type":"what"})");
  for (RawSocket& each : sockets) each.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  std::string order;
  std::promise<void> all;
  std::function<void()> turn = [&] {
    constexpr auto kind = static_cast<std::size_t>(WireCode::unknown_type);
    const auto done = [&](char which) { return std::ranges::count(order, which); };
    const auto answered = static_cast<std::ptrdiff_t>(rig.broker.counters().errors[kind]);
    order.append(static_cast<std::size_t>(answered - done('m')), 'm');
    order.append(static_cast<std::size_t>(begun - rig.op.requests_left - done('h')), 'h');
    if (order.size() == messages + requests) return all.set_value();
    boost::asio::post(rig.context, turn);
  };
  boost::asio::post(rig.context, turn);
  asked.set_value();
  all.get_future().wait();
  return order;
}

}  // namespace

TEST_CASE("gateway: messages and HTTP are done by turns, whichever has the crowd") {
  const std::string among_messages = order_of(20, 2);
  CAPTURE(among_messages);
  CHECK(among_messages.rfind('h') < 5);
  const std::string among_requests = order_of(2, 20);
  CAPTURE(among_requests);
  CHECK(among_requests.rfind('m') < 5);
}

}  // namespace pgtide::test
