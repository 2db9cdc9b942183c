#include <deque>
#include <string>
#include <vector>

#include "support/crowd.hpp"
#include "support/serving.hpp"

// The program at its limit of memory, and after it, as its clients see it.
using namespace pgtide::test;

namespace {

constexpr std::size_t small_limit_bytes = 4'194'304;

std::vector<std::string> small_memory() {
  return {"--limits.memory-bytes", std::to_string(small_limit_bytes),
          "--limits.backlog-bytes", "1048576",
          "--limits.event-bytes", "65536",
          "--limits.handshake-timeout", "60s"};
}

}  // namespace

TEST_CASE("memory: at the limit new connections get 503 server_busy, and are let in after it") {
  Stage stage;
  Serving serving(stage, "port", small_memory());
  const auto metric = [&](const std::string& name) { return metric_of(serving.address(), name); };
  const std::string refused = "pgtide_memory_steps_total{step=\"connection_refused\"}";
  WireClient held(serving.address());
  held.send(R"({"type":"subscribe","pattern":"posts.*"})");
  CHECK(holds(held.next(), "connected"));
  CHECK(holds(held.next(), "subscribed"));
  CHECK(metric(refused) == 0);

  // Heads that are never finished, until they and the connections have three quarters of the limit.
  std::deque<WireSocket> crowd;
  const std::string head = crowd_handshake.substr(0, crowd_handshake.size() - 2) + "X-Padding: " +
                           std::string(15'500, 'x');
  const auto most = static_cast<double>(small_limit_bytes) * 3 / 4;
  const auto full = [&] { return metric("pgtide_memory_bytes{kind=\"connections\"}") > most; };
  while (!becomes_true(full, std::chrono::milliseconds(100))) {
    REQUIRE(crowd.size() < 1'000);
    for (int n = 0; n < 20; ++n) crowd.emplace_back(serving.address()).write(head);
  }
  const HttpReply busy = WireClient::upgrade(serving.address(), "/realtime/subscribe");
  CHECK(busy.status == 503);
  CHECK(busy.headers.at("retry-after") == "5");
  CHECK(busy.body ==
        R"({"error":{"code":"server_busy","message":"the server is short of memory: try again"}})"
        "\n");
  CHECK(metric(refused) == 1);
  CHECK(serving.lines_with("and limits.memory_bytes is 4194304: further ones get 503").size() == 1);
  CHECK(http(serving.address(), "GET /readyz").status == 200);
  stage.database.run("insert into posts values (1, 'while it is full')");
  CHECK(holds(held.next(), "while it is full"));

  crowd.clear();
  const auto status = [&] {
    return WireClient::upgrade(serving.address(), "/realtime/subscribe").status;
  };
  eventually([&] { return status() == 101; }, patience);
  WireClient late(serving.address());
  CHECK(holds(late.next(), "connected"));
  stage.database.run("insert into posts values (2, 'after it')");
  CHECK(holds(held.next(), "after it"));
}
