#include <sys/resource.h>

#include <algorithm>

#include "gateway/frame_counter.hpp"
#include "gateway/heartbeat.hpp"
#include "gateway/read_rate.hpp"
#include "gateway_rig.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

constexpr int small_buffer = 16'384;

// A raw subscriber of posts.*, past its greeting.
RawSocket subscriber(Rig& rig, int receive_buffer = 0) {
  RawSocket socket(rig, receive_buffer);
  REQUIRE(socket.shake_hands().starts_with("HTTP/1.1 101"));
  CHECK(socket.read_frame().opcode == text_opcode);
  socket.send(masked(0x81, R"({"type":"subscribe","pattern":"posts.*"})"));
  CHECK(socket.read_frame().opcode == text_opcode);
  return socket;
}

RigOptions small_backlog() {
  RigOptions options;
  options.gateway.backlog_bytes = 200'000;
  return options;
}

std::vector<std::string> rows(std::size_t count, std::size_t bytes) {
  return std::vector<std::string>(count, std::string(bytes, 'x'));
}

}  // namespace

TEST_CASE(
    "gateway: who never reads falls behind, the others are served; who reads again gets "
    "whole frames, resync_required, and is live") {
  Rig rig(small_backlog());
  auto stuck = subscriber(rig, small_buffer);
  auto client = rig.connect();
  next(client);
  subscribe(client, "posts.*");
  std::uint64_t id = 1;
  while (rig.counters().fell_behind == 0) {
    REQUIRE(id < 20'000);
    rig.deliver(rows(10, 2'000), id);
    for (int i = 0; i < 10; ++i) CHECK(next(client).at("record_id") == std::to_string(id++));
  }
  rig.deliver(rows(10, 2'000), id);  // delivered to the other, whatever the one does
  for (int i = 0; i < 10; ++i) CHECK(next(client).at("record_id") == std::to_string(id++));
  CHECK(rig.counters().events_dropped >= 10);
  CHECK(rig.counters().backlog_bytes < 200'000);

  std::uint64_t expected = 1;
  auto message = Json::parse(stuck.read_answer().payload);
  while (message.at("type") == "record_event") {
    REQUIRE(message.at("record_id") == std::to_string(expected++));
    message = Json::parse(stuck.read_answer().payload);
  }
  CHECK(message == Json{{"type", "resync_required"}, {"reason", "fell_behind"}});
  CHECK(expected < id);
  rig.deliver({"live"}, id);
  // Where the socket had room for the rest of a frame, the last ten were live already.
  message = Json::parse(stuck.read_answer().payload);
  if (message.at("record_id") == std::to_string(id - 10)) {
    for (std::uint64_t live = id - 9; live <= id; ++live) {
      message = Json::parse(stuck.read_answer().payload);
      REQUIRE(message.at("record_id") == std::to_string(live));
    }
  }
  CHECK(message.at("record_id") == std::to_string(id));
  CHECK(rig.counters().fell_behind == 1);
  CHECK(rig.counters().backlog_bytes == 0);
  // Both were given `id` events; what is said of each is what it was sent.
  std::uint64_t sent = 0;
  for (const auto& listed : rig.on_shard([&] { return rig.gateway->list({}).connections; })) {
    CHECK(listed.backlog_bytes == 0);
    sent += listed.events_sent;
  }
  CHECK(sent + rig.counters().events_dropped == 2 * id);
}

TEST_CASE("gateway: who waits until less is queued is called once, whyever it is less") {
  Rig rig(small_backlog());
  auto slow = subscriber(rig, small_buffer);
  const auto queued = [&] { return rig.counters().backlog_bytes; };
  const auto drained = [&] { return queued() <= 100'000; };
  std::uint64_t id = 1;
  // Until it stays so: at first the systems on both sides still move bytes into their buffers.
  while (becomes_true(drained, 200ms)) {
    REQUIRE(id < 20'000);
    rig.deliver(rows(10, 2'000), id);
    id += 10;
  }
  CHECK(rig.counters().fell_behind == 0);
  const auto listed = rig.on_shard([&] { return rig.gateway->list({}).connections; });
  REQUIRE(listed.size() == 1);
  CHECK(listed[0].backlog_bytes == queued());
  CHECK(listed[0].events_sent == id - 1);
  std::atomic<int> calls = 0;
  const auto wait_for = [&](std::size_t bytes) {
    rig.on_shard([&] { rig.gateway->when_drained_to(bytes, [&] { ++calls; }); });
  };
  wait_for(queued());
  eventually_equals([&] { return calls.load(); }, 1);
  wait_for(100'000);
  CHECK(rig.on_shard([&] { return calls.load(); }) == 1);
  SUBCASE("it is read") {
    while (calls == 1) REQUIRE(slow.read_frame().opcode == text_opcode);
    CHECK(rig.counters().fell_behind == 0);
  }
  SUBCASE("it is dropped behind") {
    rig.deliver(rows(200, 2'000), id);
    eventually_equals([&] { return calls.load(); }, 2);
    CHECK(rig.counters().fell_behind == 1);
  }
  SUBCASE("it goes away") {
    slow.reset();
    eventually_equals([&] { return calls.load(); }, 2);
  }
  rig.on_shard([&] {});
  CHECK(calls == 2);
}

TEST_CASE("gateway: a send tells what then waits for its connection, and nothing of one behind") {
  Rig rig(small_backlog());
  auto reader = subscriber(rig);
  auto stuck = subscriber(rig, small_buffer);
  const auto sizes_at = [&](std::uint64_t id) {
    std::vector<std::optional<std::size_t>> sizes;
    rig.on_shard([&] { rig.deliver_here(rows(10, 2'000), id, &sizes); });
    return sizes;
  };
  std::uint64_t id = 1;
  auto sizes = sizes_at(id);
  while (rig.counters().fell_behind == 0) {
    REQUIRE(sizes.size() == 2);
    for (int i = 0; i < 10; ++i) REQUIRE(reader.read_answer().opcode == text_opcode);
    REQUIRE((id += 10) < 20'000);
    sizes = sizes_at(id);
    if (rig.counters().fell_behind == 0) {
      CHECK(sizes[0].value() + sizes[1].value() >= rig.counters().backlog_bytes);
    }
  }
  CHECK(std::count(sizes.begin(), sizes.end(), std::nullopt) == 1);
}

TEST_CASE("gateway: connections that break in the midst of a broadcast do not concern the rest") {
  Rig rig;
  std::vector<RawSocket> sockets;
  for (int i = 0; i < 20; ++i) sockets.push_back(subscriber(rig));
  // In one turn of the shard's loop: it has not heard yet that they are gone when it sends.
  rig.on_shard([&] {
    for (std::size_t i = 0; i < sockets.size(); i += 2) sockets[i].reset();
    rig.deliver_here({"a"}, 1);
    rig.deliver_here({"b"}, 2);
    CHECK(rig.broker.connection_count() == 20);
  });
  for (std::size_t i = 1; i < sockets.size(); i += 2) {
    for (const auto* id : {"1", "2"}) {
      CHECK(Json::parse(sockets[i].read_frame().payload).at("record_id") == id);
    }
  }
  eventually_equals([&] { return rig.connections(); }, 10U);
  CHECK(rig.op.released == 10);
  CHECK(rig.counters().connections_closed == 10);
}

TEST_CASE("gateway: who does not fetch replies is not read from, and goes on when it does") {
  RigOptions options;
  options.gateway.reply_bytes = 20'000;
  options.gateway.frames_per_second = 1e6;
  Rig rig(options);
  auto socket = subscriber(rig, small_buffer);
  const std::string ping = masked(0x81, R"({"type":"ping","id":"01234567890123456789"})");
  // Asks without reading until its own requests are no longer taken.
  std::size_t sent = 0;
  ::timeval limit{0, 200'000};
  ::setsockopt(socket.native(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  std::string block;
  for (int i = 0; i < 100; ++i) block += ping;
  std::size_t left = 0;  // of a block that was taken in part
  for (;;) {
    const auto taken = ::send(socket.native(), block.data(), block.size(), MSG_NOSIGNAL);
    if (taken > 0) sent += static_cast<std::size_t>(taken);
    if (taken < static_cast<ssize_t>(block.size())) break;
    REQUIRE(sent < 100'000'000);
  }
  left = (ping.size() - sent % ping.size()) % ping.size();
  const auto all_read = [&] { return rig.counters().bytes_received >= sent; };
  CHECK(!becomes_true(all_read, 500ms));
  limit = {30, 0};  // it is taken as the answers are read
  ::setsockopt(socket.native(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  std::thread rest([&] {
    if (left > 0) socket.try_send(ping.substr(ping.size() - left));
  });
  const auto asked = (sent + left) / ping.size();
  std::size_t answered = 0;
  while (answered < asked && socket.read_answer().opcode == text_opcode) ++answered;
  CHECK(answered == asked);
  rest.join();
  CHECK(rig.connections() == 1);
}

TEST_CASE("gateway: past frames_per_second a client is read more slowly, frames of any kind") {
  const std::pair<unsigned char, const char*> kinds[] = {
      {0x81, "messages"}, {0x89, "pings"}, {0x8a, "pongs"}, {0x00, "empty fragments"}};
  for (const auto& kind : kinds) {
    const unsigned char first = kind.first;
    CAPTURE(kind.second);
    RigOptions options;
    options.gateway.frames_per_second = 200;
    Rig rig(options);
    auto socket = subscriber(rig);
    std::string frames;
    if (first == 0x00) frames += masked(0x01, "{");
    for (int i = 0; i < 300; ++i) frames += masked(first, "");
    if (first == 0x00) frames += masked(0x80, "}");
    frames += masked(0x81, R"({"type":"ping"})");
    const auto began = std::chrono::steady_clock::now();
    socket.send(frames);
    for (;;) {
      const auto frame = socket.read_frame();
      REQUIRE(frame.opcode < at_end);
      if (frame.payload == R"({"type":"pong"})") break;
    }
    // 302 frames and more, of which 200 are free; what one read takes in is paid for later.
    const auto took = std::chrono::steady_clock::now() - began;
    CHECK(took > 150ms);
    CHECK(took < 4s);
  }
}

TEST_CASE("gateway: what a frame holds is read as slowly as frames are, a KiB like one") {
  RigOptions options;
  options.gateway.frames_per_second = 200;
  Rig rig(options);
  auto socket = subscriber(rig);
  const std::string padded = R"({"type":"ping")" + std::string(60'000, ' ') + "}";
  const auto began = std::chrono::steady_clock::now();
  for (int n = 0; n < 8; ++n) socket.send(masked(0x81, padded));
  for (int n = 0; n < 8; ++n) CHECK(socket.read_answer().payload == R"({"type":"pong"})");
  // 480 KiB, of which 200 are free.
  CHECK(std::chrono::steady_clock::now() - began > 1s);
}

TEST_CASE("gateway: what clients ask goes behind the events that wait") {
  RigOptions options;
  boost::asio::io_context* context = nullptr;
  std::atomic<bool> wait = false;
  std::atomic<int> events = 0;
  options.gateway.events_wait = [&] {
    if (!wait) return false;
    boost::asio::post(*context, [&] { ++events; });  // as one that came before
    return true;
  };
  Rig rig(options);
  context = &rig.context;
  auto client = rig.connect();
  CHECK(next_type(client) == "connected");
  RawSocket http(rig);
  wait = true;
  for (int n = 1; n <= 3; ++n) {
    const int before = events;
    say(client, R"({"type":"ping"})");
    CHECK(next_type(client) == "pong");
    CHECK(events > before);
    const int then = events;
    http.send("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    CHECK(http.read_head().starts_with("HTTP/1.1 200"));
    CHECK(events > then);
  }
}

TEST_CASE("gateway: of what a crowd asks one thing is done at a time, and events go between") {
  RigOptions options;
  std::atomic<bool> wait = false;
  options.gateway.events_wait = [&] { return wait.load(); };
  Rig rig(options);
  std::vector<Client> crowd;
  for (int n = 0; n < 20; ++n) {
    crowd.push_back(rig.connect());
    CHECK(next_type(crowd.back()) == "connected");
  }
  // All of them ask while the shard is busy; then each turn is as one of an event would be.
  wait = true;
  std::promise<void> asked;
  boost::asio::post(rig.context, [wanted = asked.get_future().share()] { wanted.wait(); });
  for (Client& client : crowd) say(client, R"({"type":"what"})");
  std::uint64_t done = 0, most = 0;
  std::promise<void> all;
  std::function<void()> turn = [&] {
    constexpr auto kind = static_cast<std::size_t>(WireCode::unknown_type);
    const std::uint64_t now = rig.broker.counters().errors[kind];
    most = std::max(most, now - std::exchange(done, now));
    if (done == crowd.size()) return all.set_value();
    boost::asio::post(rig.context, turn);
  };
  boost::asio::post(rig.context, turn);
  asked.set_value();
  all.get_future().wait();
  CHECK(most == 1);
}

TEST_CASE("gateway: who asks for much is answered in pieces, and others between them") {
  for (const bool busy : {false, true}) {
    CAPTURE(busy);
    RigOptions options;
    options.limits.requests_per_second = 0;
    options.gateway.events_wait = [busy] { return busy; };
    Rig rig(options);
    auto greedy = rig.connect();
    auto other = rig.connect();
    CHECK(next_type(greedy) == "connected");
    CHECK(next_type(other) == "connected");
    std::string items;
    for (int n = 1; n <= 100; ++n) {
      items += (n == 1 ? "" : ",") + (R"({"pattern":"posts.)" + std::to_string(n) +
                                      R"(","filter":"record.id == 1"})");
    }
    std::promise<void> asked;
    boost::asio::post(rig.context, [wanted = asked.get_future().share()] { wanted.wait(); });
    say(greedy, R"({"type":"subscribe","subscriptions":[)" + items + "]}");
    say(other, R"({"type":"what"})");
    std::size_t held = 0, most = 0, held_when_answered = 0;
    std::promise<void> all;
    std::function<void()> turn = [&] {
      const std::size_t now = rig.broker.subscription_count();
      most = std::max(most, now - std::exchange(held, now));
      constexpr auto kind = static_cast<std::size_t>(WireCode::unknown_type);
      if (held_when_answered == 0 && rig.broker.counters().errors[kind] == 1) {
        held_when_answered = now;
      }
      if (now == 100) return all.set_value();
      boost::asio::post(rig.context, turn);
    };
    boost::asio::post(rig.context, turn);
    asked.set_value();
    all.get_future().wait();
    CHECK(most <= 8);
    CHECK(held_when_answered < 100);
    for (int n = 1; n <= 100; ++n) {
      const auto reply = next(greedy);
      CHECK(reply.at("type") == "subscribed");
      CHECK(reply.at("pattern") == "posts." + std::to_string(n));
    }
    CHECK(next_type(other) == "error");
  }
}

TEST_CASE("gateway: whose filter ends for somebody who comes later is told at once") {
  RigOptions options;
  options.limits.requests_per_second = 0;
  options.limits.scanned_filters = 4;
  Rig rig(options);  // where each port counts as an address
  const auto hold = [](Client& client, int n) {
    say(client, R"({"type":"subscribe","pattern":"posts.)" + std::to_string(n) +
                    R"(","filter":"record.id > )" + std::to_string(n) + "\"}");
    return next_type(client);
  };
  auto first = rig.connect();
  auto second = rig.connect();
  auto third = rig.connect();
  for (Client* client : {&first, &second, &third}) CHECK(next_type(*client) == "connected");
  for (int n = 1; n <= 2; ++n) CHECK(hold(first, n) == "subscribed");
  for (int n = 3; n <= 4; ++n) CHECK(hold(second, n) == "subscribed");
  CHECK(hold(third, 5) == "subscribed");
  const auto told = next(first);
  CHECK(told.at("code") == "filter_limit");
  CHECK(told.at("pattern") == "posts.2");
}

TEST_CASE("gateway: a read takes a token per frame and per KiB, a quarter at least") {
  const ReadRate::Time begin{1'000s};
  struct {
    std::size_t frames, bytes;
    int reads;       // as many
    double seconds;  // that nothing is read then
    const char* why;
  } const rows[] = {
      {0, 0, 0, 0, "nothing"},
      {1, 0, 100, 0, "a second's worth"},
      {1, 0, 150, 0.5, "more than that"},
      {200, 0, 1, 1, "at once"},
      {1, 102'400, 1, 0.01, "large"},
      {0, 0, 800, 1, "byte by byte, nearly"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    ReadRate rate(100, begin);
    for (int n = 0; n < row.reads; ++n) rate.charge(row.frames, row.bytes);
    CHECK(rate.wait(begin).count() == doctest::Approx(row.seconds));
    CHECK(rate.wait(begin + 1s).count() == 0);
  }
  ReadRate none(0, begin);
  none.charge(1'000, 1'000'000);
  CHECK(none.wait(begin).count() == 0);
}

TEST_CASE("gateway: frames are counted wherever the stream is cut") {
  std::string bytes;
  const std::size_t sizes[] = {0, 1, 125, 126, 127, 65'535, 65'536, 0, 70'000, 3};
  for (const auto size : sizes) bytes += masked(0x82, std::string(size, '\x81'));
  bytes += std::string("\x81\x7e\x00\x02hi", 6);  // not masked: still a frame
  for (const std::size_t piece : {1U, 2U, 3U, 7U, 4'096U, 1'000'000U}) {
    FrameCounter counter;
    std::size_t frames = 0;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      frames += counter.count(std::string_view(bytes).substr(at, piece));
    }
    CHECK(frames == 11);
  }
}

TEST_CASE("heartbeat: a sign of life is a byte received, or bytes before the ping that went") {
  using Signs = Heartbeat::Signs;
  using Step = Heartbeat::Step;
  struct Row {
    Signs at_ping;
    Signs at_check;
    Step expected;
    const char* why;
  };
  const Row table[] = {
      {{10, 100, 0}, {10, 100, 2}, Step::lost, "nothing"},
      {{10, 100, 0}, {11, 100, 2}, Step::wait, "a byte received"},
      {{10, 100, 0}, {10, 102, 0}, Step::lost, "its system took the ping: it says nothing"},
      {{10, 100, 50}, {10, 101, 51}, Step::wait, "a slow reader reads"},
      {{10, 100, 50}, {10, 100, 52}, Step::lost, "a full socket that stands still"},
  };
  for (const auto& row : table) {
    CAPTURE(row.why);
    Heartbeat heartbeat(30s, 10s);
    const Heartbeat::Time start{};
    heartbeat.start(start);
    CHECK(heartbeat.due() == start + 30s);
    CHECK(heartbeat.step(start + 29s, row.at_ping) == Step::wait);
    CHECK(heartbeat.step(start + 30s, row.at_ping) == Step::ping);
    CHECK(heartbeat.due() == start + 40s);
    CHECK(heartbeat.step(start + 40s, row.at_check) == row.expected);
    if (row.expected == Step::wait) CHECK(heartbeat.due() == start + 60s);
  }
}

TEST_CASE("gateway: a connection is pinged, and lives as long as it answers") {
  RigOptions options;
  options.gateway.heartbeat_interval = 50ms;
  options.gateway.heartbeat_timeout = 2s;
  Rig rig(options);
  auto socket = subscriber(rig);
  for (int i = 0; i < 5; ++i) {
    CHECK(socket.read_frame() == Frame{ping_opcode, ""});
    socket.send(masked(0x8a, ""));
  }
  CHECK(rig.connections() == 1);
  CHECK(rig.counters().heartbeats_lost == 0);
}

TEST_CASE("gateway: without a sign of life a connection is closed with 4408") {
  RigOptions options;
  options.gateway.heartbeat_interval = 50ms;
  options.gateway.heartbeat_timeout = 50ms;
  Rig rig(options);
  auto socket = subscriber(rig);
  CHECK(code_of(socket.read_close()) == 4408);
  CHECK(socket.read_frame().opcode >= at_end);  // it never answered the close frame
  eventually_equals([&] { return rig.connections(); }, 0U);
  CHECK(rig.counters().heartbeats_lost == 1);
  CHECK(rig.op.released == 1);
}

TEST_CASE("gateway: a peer that stands still behind a full socket is cut") {
  RigOptions options;
  options.gateway.heartbeat_interval = 100ms;
  options.gateway.heartbeat_timeout = 100ms;
  Rig rig(options);
  auto socket = subscriber(rig, small_buffer);
  rig.deliver(rows(2'000, 2'000), 1);
  eventually_equals([&] { return rig.connections(); }, 0U, 20s);
  CHECK(rig.counters().heartbeats_lost == 1);
  CHECK(rig.counters().backlog_bytes == 0);
}

TEST_CASE("gateway: a slow reader that answers no ping lives while it reads") {
  const auto changes = rows(3'500, 2'000);
  RigOptions options;
  options.gateway.heartbeat_interval = 1'500ms;  // the changes are queued before the ping
  options.gateway.heartbeat_timeout = 1s;
  Rig rig(options);
  auto socket = subscriber(rig, small_buffer);
  rig.deliver(changes, 1);
  const auto until = std::chrono::steady_clock::now() + 2'700ms;  // past the first check
  while (std::chrono::steady_clock::now() < until) {
    REQUIRE(socket.read_bytes(2'000).size() == 2'000);
    ::pollfd nothing{-1, 0, 0};
    ::poll(&nothing, 1, 2);  // a slow reader is what is tested
  }
  CHECK(rig.counters().heartbeats_lost == 0);
  CHECK(rig.connections() == 1);
}

TEST_CASE("gateway: a quiet connection hears of its position with the heartbeat") {
  RigOptions options;
  options.gateway.heartbeat_interval = 50ms;
  Rig rig(options);
  auto client = rig.connect();
  next(client);
  subscribe(client, "notifications.*");
  rig.deliver({"not for it"});
  const auto position = next(client);
  CHECK(position.at("type") == "position");
  const auto cursor = rig.on_shard([&] { return to_string(rig.broker.position()); });
  CHECK(position.at("cursor") == cursor);
}

TEST_CASE("gateway: a close frame overtakes what waits, cuts no frame, and nothing follows it") {
  Rig rig;
  auto socket = subscriber(rig, small_buffer);
  rig.deliver(rows(3'000, 2'000), 1);
  socket.send(masked(0x88, code_bytes(1000)));
  std::uint64_t read = 0;
  auto frame = socket.read_answer();
  for (; frame.opcode == text_opcode; frame = socket.read_answer()) {
    REQUIRE(Json::parse(frame.payload).at("record_id") == std::to_string(++read));
  }
  CHECK(frame == Frame{close_opcode, code_bytes(1000)});
  CHECK(read < 3'000);
  CHECK(socket.read_frame() == Frame{at_end, ""});
}

TEST_CASE("gateway: draining sends what is queued, closes with 1001, and says when it is done") {
  Rig rig;
  auto fast = subscriber(rig);
  auto slow = subscriber(rig, small_buffer);
  RawSocket idle(rig);  // has asked nothing yet
  std::atomic<bool> done = false;
  rig.on_shard([&] {
    rig.deliver_here(rows(500, 2'000), 1);
    rig.gateway->drain(10s, [&] { done = true; });
  });
  CHECK(idle.read_to_end().empty());
  for (auto* socket : {&slow, &fast}) {
    for (int i = 1; i <= 500; ++i) {
      REQUIRE(Json::parse(socket->read_answer().payload).at("record_id") == std::to_string(i));
    }
    CHECK(code_of(socket->read_answer()) == 1001);
    socket->send(masked(0x88, code_bytes(1001)));
    CHECK(socket->read_frame() == Frame{at_end, ""});
  }
  eventually([&] { return done.load(); });
  CHECK(rig.connections() == 0);
  CHECK(rig.op.released == rig.op.admitted);
  RawSocket late(rig);
  CHECK(late.read_to_end().empty());
}

TEST_CASE("gateway: draining cuts who does not read, in time") {
  Rig rig;
  auto stuck = subscriber(rig, small_buffer);
  auto silent = subscriber(rig);  // reads, but never answers the close frame
  std::atomic<bool> done = false;
  rig.deliver(rows(2'000, 2'000), 1);
  rig.on_shard([&] { rig.gateway->drain(300ms, [&] { done = true; }); });
  eventually([&] { return done.load(); });
  CHECK(rig.connections() == 0);
  CHECK(rig.op.released == 2);
}

TEST_CASE("gateway: an acceptor waits while there are no descriptors, and accepts again") {
  Rig rig;
  auto late = RawSocket::unconnected();
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const int lowest = ::dup(0);  // the next one that would be given
  ::close(lowest);
  const rlimit none{static_cast<rlim_t>(lowest), before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  late.connect(rig);
  late.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ::pollfd answer{late.native(), POLLIN, 0};
  CHECK(::poll(&answer, 1, 50) == 0);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(late.read_head().starts_with("HTTP/1.1 200"));
}

TEST_CASE("acceptor: a port that is taken is a conflict, and a wrong address is said to be one") {
  Rig rig;
  boost::asio::io_context context;
  const auto taken = Acceptor::listen(context, "127.0.0.1", rig.acceptor->port());
  REQUIRE(!taken.ok());
  CHECK(taken.error().kind == ErrorKind::conflict);
  const auto wrong = Acceptor::listen(context, "nowhere", 0);
  REQUIRE(!wrong.ok());
  CHECK(wrong.error().kind == ErrorKind::invalid);
  CHECK(rig.acceptor->loopback());
  auto six = Acceptor::listen(context, "::1", 0);
  if (six.ok()) CHECK((*six)->address() == "[::1]:" + std::to_string((*six)->port()));
}
