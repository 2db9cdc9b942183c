#include <string>
#include <vector>

#include "support/frame_shape.hpp"
#include "support/serving.hpp"
#include "support/tokens.hpp"

// Strangers who hold every place, each address no more than its own, against the program itself:
// who comes later has a place all the same, and nobody who has his share loses any.
using namespace pgtide::test;

namespace hostile_places {
namespace {

constexpr unsigned gave_way = 1013;

std::vector<std::string> from(const std::string& address) {
  return {"X-Forwarded-For: " + address};
}

// All the places, and clients that take them through a proxy that says who they are.
struct House {
  explicit House(const std::string& places, std::vector<std::string> arguments = {})
      : serving(governed(stage), "port", with_proxy(places, std::move(arguments))) {}

  static const Stage& governed(const Stage& stage) {
    stage.folder.write("rules.yaml",
                       "version: 1\nall: \"'admin' in user.roles\"\n"
                       "collections:\n  posts:\n    subscribe: public\n");
    return stage;
  }

  static std::vector<std::string> with_proxy(const std::string& places,
                                             std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--server.trusted-proxies", "127.0.0.1",
                                       "--server.threads", "3", "--limits.connections", places});
    return arguments;
  }
  const std::string& address() const { return serving.address(); }
  WireClient come(const std::string& client, std::vector<std::string> headers = {}) const {
    headers.push_back("X-Forwarded-For: " + client);
    WireClient came(address(), "/realtime/subscribe", headers);
    CHECK(member(came.next(), "type") == "connected");
    return came;
  }
  std::vector<WireClient> crowd(const std::string& client, int count) const {
    std::vector<WireClient> all;
    for (int n = 0; n < count; ++n) all.push_back(come(client));
    return all;
  }
  int knock(const std::string& client) const {
    return WireClient::upgrade(address(), "/realtime/subscribe", from(client)).status;
  }
  double figure(const std::string& name) const { return metric_of(address(), name); }
  void wait_for_connections(double count) const {
    eventually([&] { return figure("pgtide_connections") == count; }, patience);
  }

  Stage stage;
  Serving serving;
};

}  // namespace

TEST_CASE("places: those of an address that has the most go to newcomers, its youngest first") {
  House house("8");
  auto first = house.crowd("192.0.2.1", 4);
  auto second = house.crowd("192.0.2.2", 4);
  WireClient newcomer = house.come("192.0.2.3");
  house.wait_for_connections(8);
  CHECK(house.figure("pgtide_closes_total{code=\"1013\"}") == 1);
  CHECK(house.knock("192.0.2.1") == 503);  // who gave way does not come back for another's
  CHECK(house.knock("192.0.2.2") == 503);
  WireClient another = house.come("2001:db8::1");
  house.wait_for_connections(8);
  // One of each: by then the other address had the most.
  CHECK(first.back().closed() == gave_way);
  CHECK(second.back().closed() == gave_way);
  first.front().send(R"({"type":"ping"})");
  CHECK(member(first.front().next(), "type") == "pong");
  second.front().send(R"({"type":"ping"})");
  CHECK(member(second.front().next(), "type") == "pong");
  const std::string says =
      "there is no place for newcomers (limits.connections 8, limits.memory_bytes ";
  CHECK(house.serving.lines_with(says).size() == 1);
}

TEST_CASE("places: where each address has its share nobody gives way, however many come") {
  House house("4");
  std::vector<WireClient> all;
  for (const char* client : {"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"}) {
    all.push_back(house.come(client));
  }
  for (int n = 10; n < 40; ++n) CHECK(house.knock("192.0.2." + std::to_string(n)) == 503);
  CHECK(house.figure("pgtide_closes_total{code=\"1013\"}") == 0);
  CHECK(house.figure("pgtide_connections") == 4);
}

TEST_CASE("places: loopback with rights and administrators give way to nobody") {
  House house("9", {"--auth.jwt.secret", token_auth().jwt.secret});
  std::vector<WireClient> loopback;
  for (int n = 0; n < 5; ++n) {
    loopback.emplace_back(house.address());
    CHECK(member(loopback.back().next(), "type") == "connected");
  }
  auto crowd = house.crowd("192.0.2.1", 3);
  WireClient boss = house.come("192.0.2.1", {bearer(token_of("boss", {"admin"}))});
  WireClient newcomer = house.come("192.0.2.3");
  CHECK(crowd.back().closed() == gave_way);
  house.wait_for_connections(9);
  loopback.push_back(std::move(boss));
  for (WireClient& client : loopback) {
    client.send(R"({"type":"ping"})");
    CHECK(member(client.next(), "type") == "pong");
  }
}

}  // namespace hostile_places
