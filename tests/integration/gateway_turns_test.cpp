#include <algorithm>

#include "gateway/turns.hpp"
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

// Who is served in the listener's first turn, of these that wait when it begins: the last numbers
// of their addresses. Of 127.0.0.9 none is let in.
std::vector<int> served_first(const std::vector<int>& callers, double per_second,
                              std::size_t waiting_max = 100) {
  boost::asio::io_context context{1};
  auto acceptor = Acceptor::listen(context, "127.0.0.1", 0);
  REQUIRE(acceptor.ok());
  std::vector<int> sockets;
  for (const int caller : callers) {
    sockaddr_in from{};
    from.sin_family = AF_INET;
    from.sin_addr.s_addr = htonl((127U << 24U) + static_cast<unsigned>(caller));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons((*acceptor)->port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockets.push_back(::socket(AF_INET, SOCK_STREAM, 0));
    REQUIRE(::bind(sockets.back(), reinterpret_cast<sockaddr*>(&from), sizeof from) == 0);
    REQUIRE(::connect(sockets.back(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  }
  std::vector<int> served;
  (*acceptor)->start({.take = [&served](int native, const std::string& peer) {
                        served.push_back(std::stoi(peer.substr(peer.rfind('.') + 1)));
                        ::close(native);
                      },
                      .whose = [](const std::string& peer) -> std::optional<std::string> {
                        if (peer == "127.0.0.9") return std::nullopt;
                        return peer;
                      },
                      .per_second = per_second,
                      .waiting_max = waiting_max});
  context.run_one();  // they are all there
  (*acceptor)->stop();
  for (const int socket : sockets) ::close(socket);
  return served;
}

}  // namespace

TEST_CASE("gateway: a newcomer waits for one socket of each address, not for a crowd's") {
  const std::vector<int> crowd = {2, 2, 2, 2, 2, 2, 2, 2};
  CHECK(served_first(crowd, 0).size() == crowd.size());
  CHECK(served_first(crowd, 1e6).size() == crowd.size());
  CHECK(served_first(crowd, 2) == std::vector<int>{2, 2});
  CHECK(served_first({2, 2, 2, 2, 2, 2, 2, 3}, 2) == std::vector<int>{2, 3});
  CHECK(served_first({2, 4, 2, 4, 2, 4, 2, 3}, 3) == std::vector<int>{2, 4, 3});
  CHECK(served_first({9, 9, 2}, 2) == std::vector<int>{2});
  // Past what may wait those go that came last of the address with the most.
  CHECK(served_first({2, 2, 2, 2, 3, 3, 4}, 16, 4) == std::vector<int>{2, 3, 4, 2});
}

TEST_CASE("gateway: messages and HTTP are done by turns, whichever has the crowd") {
  const std::string among_messages = order_of(20, 2);
  CAPTURE(among_messages);
  CHECK(among_messages.rfind('h') < 5);
  const std::string among_requests = order_of(2, 20);
  CAPTURE(among_requests);
  CHECK(among_requests.rfind('m') < 5);
}

TEST_CASE("gateway: addresses take turns, however many connections and pieces one has") {
  Turns turns;
  std::string done;
  const auto ask = [&](OriginNumber origin, char what) {
    turns.push(origin, [&done, what] { done += what; });
  };
  const auto next_turn = [&] { turns.pop()(); };
  for (const char what : {'a', 'b', 'c', 'd'}) ask(1, what);
  next_turn();
  ask(2, 'x');
  ask(3, 'p');
  ask(3, 'q');
  next_turn();
  ask(1, 'e');
  ask(2, 'y');
  while (!turns.empty()) next_turn();
  CHECK(done == "abxpcyqde");
  ask(1, 'f');
  turns.clear();
  CHECK(turns.empty());
  ask(1, 'g');
  next_turn();
  CHECK(done.back() == 'g');
}

}  // namespace pgtide::test
