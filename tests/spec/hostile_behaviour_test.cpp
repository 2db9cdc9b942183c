#include <linux/filter.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/client_frame.hpp"
#include "support/frame_shape.hpp"
#include "support/serving.hpp"

// Clients that behave badly, and a system that has no more to give, against the program itself: the
// others are served meanwhile, and afterwards nothing is left. Crowds of them are in
// hostile_crowds_test.cpp.
using namespace pgtide::test;

namespace hostile_behaviour {
namespace {

const std::string subscribe = R"({"type":"subscribe","pattern":"posts.*"})";
const std::string handshake =
    "GET /realtime/subscribe HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n";
constexpr int small_buffer = 16'384;
// UBSan looks at memory through a pipe: without descriptors it takes every object for a broken one.
#ifdef PGTIDE_SANITIZE
constexpr bool sanitizer_wants_descriptors = true;
#else
constexpr bool sanitizer_wants_descriptors = false;
#endif

void greet(WireClient& client) {
  REQUIRE(member(client.next(), "type") == "connected");
  client.send(subscribe);
  REQUIRE(member(client.next(), "type") == "subscribed");
}

struct Bridge {
  explicit Bridge(const std::vector<std::string>& arguments = {})
      : serving(stage, "port", arguments) {}

  const std::string& address() const { return serving.address(); }
  double metric(const std::string& name) const { return metric_of(address(), name); }
  void insert(int first, int last, int bytes) {
    stage.database.run("insert into posts select n, repeat('x', " + std::to_string(bytes) +
                       ") from generate_series(" + std::to_string(first) + ", " +
                       std::to_string(last) + ") n");
  }

  Stage stage;
  Serving serving;
};

// From now on its system takes nothing that comes for this socket, and answers nothing: what a peer
// does whose machine has lost its power.
void vanish(const WireClient& client) {
  sock_filter nothing[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
  const sock_fprog filter{1, nothing};
  const int native = client.socket().native();
  REQUIRE(setsockopt(native, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0);
}

}  // namespace

TEST_CASE("behaviour: who never reads is told what it has missed, and holds up nobody") {
  Bridge bridge({"--limits.backlog-bytes", "200000", "--limits.event-bytes", "100000"});
  WireClient stuck(WireSocket(bridge.address(), small_buffer));
  WireClient other(bridge.address());
  greet(stuck);
  greet(other);
  int last = 0;
  while (bridge.metric("pgtide_fell_behind_total") == 0) {
    REQUIRE(last < 20'000);
    bridge.insert(last + 1, last + 100, 2'000);
    last += 100;
    for (int n = last - 99; n <= last; ++n) {
      REQUIRE(member(other.next(), "record_id") == std::to_string(n));
    }
  }
  CHECK(bridge.metric("pgtide_events_dropped_total") > 0);
  int read = 0;
  std::string frame = stuck.next();
  while (member(frame, "type") == "record_event") {
    REQUIRE(member(frame, "record_id") == std::to_string(++read));
    frame = stuck.next();
  }
  CHECK(json(frame) == json(R"({"type":"resync_required","reason":"fell_behind"})"));
  CHECK(read < last);
  eventually([&] { return bridge.metric("pgtide_backlog_bytes") == 0; });
  bridge.insert(last + 1, last + 1, 1);
  while (member(frame, "record_id") != std::to_string(last + 1)) frame = stuck.next();
  CHECK(member(other.next(), "record_id") == std::to_string(last + 1));
  CHECK(bridge.metric("pgtide_fell_behind_total") == 1);
  CHECK(bridge.metric("pgtide_connections") == 2);
}

TEST_CASE("behaviour: readers who hover at half their backlog hold up nobody") {
  Bridge bridge({"--limits.backlog-bytes", "1000000", "--limits.event-bytes", "100000"});
  std::vector<WireClient> hovering;
  for (int i = 0; i < 4; ++i) {
    hovering.emplace_back(WireSocket(bridge.address(), small_buffer));
    greet(hovering.back());
  }
  WireClient healthy(bridge.address());
  greet(healthy);
  int last = 0;
  const auto write = [&](int rows) {
    bridge.insert(last + 1, last + rows, 2'000);
    for (const int end = last + rows; last < end;) {
      REQUIRE(member(healthy.next(), "record_id") == std::to_string(++last));
    }
  };
  while (bridge.metric("pgtide_backlog_bytes") < 4 * 520'000) {
    REQUIRE(last < 20'000);
    write(10);
  }
  const double before = bridge.metric("pgtide_paced_seconds_total");
  // Each reads when more than half waits, and then no more than what has come.
  for (int read = 0; read < 100;) {
    REQUIRE(last < 20'000);
    write(1);
    if (bridge.metric("pgtide_backlog_bytes") < 4 * 510'000) continue;
    ++read;
    for (auto& client : hovering) {
      REQUIRE(member(client.next(), "record_id") == std::to_string(read));
    }
  }
  // No wait was for them. (What comes is less than a burst, but for the end of what came before.)
  CHECK(bridge.metric("pgtide_paced_seconds_total") - before < 0.5);
  CHECK(bridge.metric("pgtide_fell_behind_total") == 0);
}

TEST_CASE("behaviour: a burst is held back for its reader, but not for long for who never reads") {
  Bridge bridge({"--limits.backlog-bytes", "3000000"});
  WireClient stuck(WireSocket(bridge.address(), small_buffer));
  greet(stuck);
  CHECK(bridge.metric("pgtide_paced_seconds_total") == 0);
  bridge.insert(1, 2'000, 20'000);
  eventually([&] { return bridge.metric("pgtide_fell_behind_total") == 1; });
  CHECK(bridge.metric("pgtide_paced_seconds_total") > 0);
  const auto all_delivered = [&] { return bridge.metric("pgtide_deliveries_total") == 2'000; };
  eventually(all_delivered);
  CHECK(bridge.metric("pgtide_paced_seconds_total") < 10);
}

// The sanitizer has a malloc of its own.
#ifndef PGTIDE_SANITIZE
TEST_CASE("behaviour: memory that a crowd of events has taken goes back to the system") {
  Bridge bridge({"--limits.backlog-bytes", "300000000"});
  const auto resident = [&] { return bridge.metric("process_resident_memory_bytes"); };
  const auto delivered = [&] { return bridge.metric("pgtide_deliveries_total"); };
  const double before = resident();
  WireClient stuck(WireSocket(bridge.address(), small_buffer));
  greet(stuck);
  bridge.insert(1, 3'000, 20'000);
  eventually([&] { return delivered() == 3'000; });
  // What they take lies above those events, and stays.
  std::vector<WireClient> later;
  for (int i = 0; i < 4; ++i) {
    later.emplace_back(bridge.address());
    REQUIRE(member(later.back().next(), "type") == "connected");
  }
  bridge.insert(3'001, 6'000, 20'000);
  eventually([&] { return delivered() == 6'000; });
  CHECK(resident() > before + 100e6);
  stuck.cut();
  eventually([&] { return resident() < before + 50e6; }, patience,
             [&] { return std::to_string(resident() - before); });
}
#endif

TEST_CASE("behaviour: who reads a byte at a time gets everything, and holds up nobody") {
  Bridge bridge({"--limits.backlog-bytes", "100000000"});
  WireClient slow(WireSocket(bridge.address(), small_buffer));
  WireClient other(bridge.address());
  greet(slow);
  greet(other);
  int last = 1'000, read = 0;
  bridge.insert(1, last, 20'000);  // more than the sockets take, less than the backlog
  for (int n = 1; n <= last; ++n) {
    REQUIRE(member(other.next(), "record_id") == std::to_string(n));
  }
  slow.socket().read_at_most(1);
  for (int n = 0; n < 10; ++n) {
    ++last;
    bridge.insert(last, last, 20'000);
    REQUIRE(member(other.next(), "record_id") == std::to_string(last));
    REQUIRE(member(slow.next(), "record_id") == std::to_string(++read));
  }
  CHECK(bridge.metric("pgtide_backlog_bytes") > 0);
  slow.socket().read_at_most(65'536);
  while (read < last) REQUIRE(member(slow.next(), "record_id") == std::to_string(++read));
  CHECK(bridge.metric("pgtide_fell_behind_total") == 0);
  CHECK(bridge.metric("pgtide_backlog_bytes") == 0);
}

TEST_CASE("behaviour: peers that are dead are given up, however they died") {
  Bridge bridge({"--heartbeat.interval", "100ms", "--heartbeat.timeout", "2s"});
  const double fds = bridge.metric("process_open_fds");
  WireClient healthy(bridge.address());
  WireClient silent(bridge.address());  // its system takes what comes
  silent.next();
  silent.answers_pings = false;
  WireClient gone(bridge.address());
  WireClient full(WireSocket(bridge.address(), small_buffer));
  greet(healthy);
  greet(gone);
  greet(full);
  vanish(gone);
  const auto next_event = [&] {  // between them it may be told its position
    std::string frame = healthy.next();
    while (member(frame, "type") == "position") frame = healthy.next();
    return frame;
  };
  bridge.insert(1, 2'000, 2'000);
  for (int n = 1; n <= 2'000; ++n) {
    REQUIRE(member(next_event(), "record_id") == std::to_string(n));
  }
  eventually(
      [&] {  // the healthy one answers meanwhile
        healthy.next_within(std::chrono::milliseconds{10});
        return bridge.metric("pgtide_connections") == 1;
      },
      patience);
  CHECK(bridge.metric("pgtide_heartbeats_lost_total") == 3);
  CHECK(bridge.metric("pgtide_closes_total{code=\"4408\"}") == 3);
  CHECK(bridge.metric("pgtide_subscriptions") == 1);
  CHECK(bridge.metric("pgtide_backlog_bytes") == 0);
  CHECK(bridge.metric("process_open_fds") <= fds + 2);
  CHECK(silent.closed() == 4408);
  bridge.insert(2'001, 2'001, 1);
  CHECK(member(next_event(), "record_id") == "2001");
  CHECK(bridge.serving.lines_with("error").size() == 0);
}

TEST_CASE("behaviour: a reset in the midst of anything concerns nobody else") {
  const std::string frame = masked(0x81, subscribe);
  const std::string long_frame = masked(0x81, std::string(60'000, ' '));
  struct {
    std::string why;
    std::string bytes;
    bool hears;  // waits for an answer before it goes
  } const ways[] = {
      {"at once", "", false},
      {"in the handshake", handshake.substr(0, 50), false},
      {"before its answer", handshake, false},
      {"after it", handshake, true},
      {"in a frame's first byte", handshake + frame.substr(0, 1), true},
      {"in its length", handshake + long_frame.substr(0, 3), true},
      {"in its mask", handshake + frame.substr(0, 5), true},
      {"in its payload", handshake + long_frame.substr(0, 30'000), true},
      {"between two fragments", handshake + masked(0x01, "{\"type\""), true},
      {"between a request and its answer", handshake + frame, false},
      {"in the midst of its events", handshake + frame, true},
      {"in a close frame", handshake + masked(0x88, code_bytes(1000)).substr(0, 7), true},
      {"after a close frame", handshake + masked(0x88, code_bytes(1000)), false},
      {"while it floods", handshake + std::string(60'000, '\x89'), false},
      {"in an HTTP body",
       "POST /realtime/broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{", false},
      {"before the metrics", "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", false},
  };
  Bridge bridge;
  WireClient other(bridge.address());
  greet(other);
  const double fds = bridge.metric("process_open_fds");
  const auto complaints = bridge.serving.complaints();
  int id = 0;
  for (const auto& way : ways) {
    CAPTURE(way.why);
    std::vector<WireSocket> sockets;
    for (int n = 0; n < 10; ++n) {
      sockets.emplace_back(bridge.address());
      sockets.back().write(way.bytes);
    }
    std::string heard;
    for (WireSocket& socket : sockets) {
      if (way.hears) CHECK(socket.read(heard, patience));
    }
    bridge.insert(id + 1, id + 20, 2'000);
    for (WireSocket& socket : sockets) socket.cut();
    for (int n = 0; n < 20; ++n) {
      REQUIRE(member(other.next(), "record_id") == std::to_string(++id));
    }
  }
  eventually([&] { return bridge.metric("pgtide_connections") == 1; });
  eventually([&] { return bridge.metric("process_open_fds") <= fds; });
  CHECK(bridge.metric("pgtide_subscriptions") == 1);
  CHECK(bridge.serving.complaints() == complaints);
}

TEST_CASE("behaviour: out of descriptors it serves those it has, says so once, and accepts later" *
          doctest::skip(sanitizer_wants_descriptors)) {
  const std::string says = "no descriptor or no memory for another connection";
  Bridge bridge;
  WireClient held(bridge.address());
  greet(held);
  WireSocket operators(bridge.address());  // asks again and again on one connection
  const auto metric = [&](const std::string& name) {
    const std::string asks = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    return metric_in(answer_to(operators, asks).body, name);
  };
  CHECK(metric("pgtide_accept_pauses_total") == 0);
  const double started = metric("process_start_time_seconds");
  const pid_t pid = bridge.serving.program->pid();
  rlimit before{};
  REQUIRE(prlimit(pid, RLIMIT_NOFILE, nullptr, &before) == 0);
  const rlimit little{static_cast<rlim_t>(metric("process_open_fds")), before.rlim_max};
  REQUIRE(prlimit(pid, RLIMIT_NOFILE, &little, nullptr) == 0);
  std::vector<WireSocket> waiting;
  for (int n = 0; n < 40; ++n) {
    waiting.emplace_back(bridge.address());
    waiting.back().write(handshake);
  }
  eventually([&] { return metric("pgtide_accept_pauses_total") >= 3; });
  bridge.insert(1, 1, 10);
  CHECK(member(held.next(), "record_id") == "1");
  held.send(R"({"type":"ping"})");
  CHECK(held.next() == R"({"type":"pong"})");
  CHECK(bridge.serving.lines_with(says).size() == 1);
  CHECK(metric("process_open_fds") == static_cast<double>(little.rlim_cur));
  CHECK(metric("process_start_time_seconds") == doctest::Approx(started).epsilon(1e-6));
  CHECK(metric("process_resident_memory_bytes") > 0);

  REQUIRE(prlimit(pid, RLIMIT_NOFILE, &before, nullptr) == 0);
  for (WireSocket& socket : waiting) {
    std::string heard;
    while (!holds(heard, "connected") && socket.read(heard, patience)) {
    }
    REQUIRE(holds(heard, "connected"));
  }
  CHECK(metric("pgtide_connections") == 41);
  bridge.insert(2, 2, 10);
  CHECK(member(held.next(), "record_id") == "2");
  CHECK(bridge.serving.lines_with(says).size() == 1);
}

TEST_CASE("behaviour: past limits.connections clients are told to come again, operators once") {
  const std::string says =
      "all 2 connections of limits.connections are open: further clients get 503; raise it, or run "
      "another bridge";
  Bridge bridge({"--limits.connections", "2"});
  WireClient first(bridge.address());
  WireClient second(bridge.address());
  greet(first);
  greet(second);
  for (int n = 0; n < 20; ++n) {
    const HttpReply refused = answer_to(bridge.address(), handshake);
    CHECK(refused.status == 503);
    CHECK(refused.headers.at("retry-after") == "5");
    CHECK(json(refused.body) ==
          json(R"({"error":{"code":"too_many_connections",)"
               R"("message":"the server has all the connections it takes"}})"));
  }
  CHECK(bridge.metric("pgtide_handshakes_refused_total") == 20);
  CHECK(bridge.metric("pgtide_http_refusals_total{status=\"503\"}") == 20);
  CHECK(bridge.serving.lines_with(says).size() == 1);
  bridge.insert(1, 1, 10);  // those that are in are served
  CHECK(member(first.next(), "record_id") == "1");
  second.cut();
  eventually([&] { return answer_to(bridge.address(), handshake).status == 101; });
  CHECK(bridge.serving.lines_with(says).size() == 1);
}

TEST_CASE("behaviour: sockets that never ask count as well, and give way to who asks") {
  Bridge bridge({"--limits.connections", "3", "--limits.handshake-timeout", "10m"});
  std::vector<WireSocket> silent;
  for (int n = 0; n < 200; ++n) silent.emplace_back(bridge.address());
  eventually([&] {  // while the others give way it may be closed unread
    WireSocket socket(bridge.address());
    socket.write(handshake);
    std::string heard;
    while (socket.read(heard, patience) && !holds(heard, "\r\n\r\n")) {
    }
    return heard.starts_with("HTTP/1.1 101");
  });
  std::size_t left = 0;
  std::string ignored;
  for (WireSocket& socket : silent) {
    socket.read(ignored, std::chrono::milliseconds{0});
    left += socket.ended() ? 0 : 1;
  }
  CHECK(left <= 3);
  CHECK(bridge.metric("process_open_fds") < 100);
}

TEST_CASE("behaviour: who asks over HTTP without end is told 429, and others still connect") {
  const std::string key = "limits.http-requests-per-second-per-address";
  Bridge bridge({"--" + key, "0.1"});
  const std::vector<std::string> afar = {"X-Forwarded-For: 192.0.2.1"};  // no operator's rights
  const auto ask = [&](const std::string& request) {
    return http(bridge.address(), request, afar);
  };
  CHECK(ask("GET /healthz").status == 200);
  const HttpReply refused = ask("GET /nowhere");
  CHECK(refused.status == 429);
  CHECK(refused.headers.at("retry-after") == "1");
  CHECK(holds(refused.body, "rate_limited"));
  WireClient client(bridge.address(), "/realtime/subscribe", afar);
  greet(client);
  CHECK(http(bridge.address(), "GET /healthz").status == 200);  // an operator's
  CHECK(bridge.metric("pgtide_http_refusals_total{status=\"429\"}") == 1);
}

TEST_CASE("behaviour: out of descriptors the HTTP connections without a request go first" *
          doctest::skip(sanitizer_wants_descriptors)) {
  Bridge bridge({"--limits.handshake-timeout", "10m"});
  WireClient held(bridge.address());
  greet(held);
  std::vector<WireSocket> silent;
  const double before = bridge.metric("process_open_fds");
  for (int n = 0; n < 20; ++n) silent.emplace_back(bridge.address());
  eventually([&] { return bridge.metric("process_open_fds") >= before + 20; });
  const pid_t pid = bridge.serving.program->pid();
  rlimit limit{};
  REQUIRE(prlimit(pid, RLIMIT_NOFILE, nullptr, &limit) == 0);
  limit.rlim_cur = static_cast<rlim_t>(before) + 4;
  REQUIRE(prlimit(pid, RLIMIT_NOFILE, &limit, nullptr) == 0);
  WireClient another(bridge.address());
  greet(another);
  bridge.insert(1, 1, 10);
  CHECK(member(held.next(), "record_id") == "1");
  CHECK(member(another.next(), "record_id") == "1");
  CHECK(bridge.metric("pgtide_accept_pauses_total") >= 1);
}

TEST_CASE("behaviour: past limits.connections_per_address others are still let in") {
  Bridge bridge({"--limits.connections-per-address", "2", "--server.trusted-proxies", "127.0.0.1"});
  const auto from = [](const std::string& address) {
    return std::vector<std::string>{"X-Forwarded-For: " + address};
  };
  const std::string path = "/realtime/subscribe";
  WireClient first(bridge.address(), path, from("192.0.2.1"));
  WireClient second(bridge.address(), path, from("192.0.2.1"));
  for (int n = 0; n < 20; ++n) {
    const HttpReply refused = WireClient::upgrade(bridge.address(), path, from("192.0.2.1"));
    CHECK(refused.status == 503);
    CHECK(refused.headers.at("retry-after") == "5");
    CHECK(holds(refused.body, "too many connections from this address"));
  }
  CHECK(bridge.metric("pgtide_http_refusals_total{status=\"503\"}") == 20);
  const std::string says =
      "192.0.2.1 has the 2 connections of limits.connections_per_address: further ones get 503; "
      "raise it where many clients share an address, or name their proxy in "
      "server.trusted_proxies";
  CHECK(bridge.serving.lines_with(says).size() == 1);
  WireClient other(bridge.address(), path, from("192.0.2.2"));
  greet(other);
  second.cut();
  eventually([&] {
    return WireClient::upgrade(bridge.address(), path, from("192.0.2.1")).status == 101;
  });
}

}  // namespace hostile_behaviour
