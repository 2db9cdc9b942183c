#include "gateway_rig.hpp"

using namespace pgtide;
using namespace pgtide::test;

TEST_CASE("gateway: the first frame of a connection is `connected`") {
  Rig rig;
  auto client = rig.connect();
  const auto hello = next(client);
  CHECK(hello.at("type") == "connected");
  CHECK(hello.at("connection_id").get<std::string>().size() == 36);
  CHECK(hello.at("user") == nullptr);
  CHECK(hello.at("heartbeat_interval") == 30);
  CHECK(rig.connections() == 1);
}

TEST_CASE("gateway: a subscriber gets the rows of a batch, in order") {
  Rig rig;
  auto client = rig.connect();
  next(client);
  subscribe(client, "posts.*");
  rig.deliver({"a", "b", "c"}, 7);
  for (const auto* id : {"7", "8", "9"}) {
    const auto event = next(client);
    CHECK(event.at("type") == "record_event");
    CHECK(event.at("record_id") == id);
  }
}

TEST_CASE("gateway: broker and operator are told of a connection's end, once, however it ends") {
  const char* ways[] = {"close frame", "end of stream", "reset", "reset in mid-frame"};
  for (const std::string way : ways) {
    CAPTURE(way);
    Rig rig;
    RawSocket socket(rig);
    REQUIRE(socket.shake_hands().starts_with("HTTP/1.1 101"));
    CHECK(socket.read_frame().opcode == text_opcode);
    socket.send(masked(0x81, R"({"type":"subscribe","pattern":"posts.*"})"));
    CHECK(socket.read_frame().opcode == text_opcode);
    CHECK(rig.subscriptions() == 1);
    CHECK(rig.op.released == 0);
    if (way == "close frame") {
      socket.send(masked(0x88, code_bytes(1000)));
      CHECK(socket.read_frame() == Frame{close_opcode, code_bytes(1000)});
      CHECK(socket.read_frame() == Frame{at_end, ""});
    } else if (way == "end of stream") {
      ::shutdown(socket.native(), SHUT_WR);
      CHECK(socket.read_frame().opcode >= at_end);
    } else {
      if (way == "reset in mid-frame") socket.send(masked(0x81, "abcdefgh").substr(0, 9));
      socket.reset();
    }
    eventually_equals([&] { return rig.connections(); }, 0U);
    CHECK(rig.subscriptions() == 0);
    CHECK(rig.op.admitted == 1);
    CHECK(rig.op.released == 1);
    CHECK(rig.counters().connections_closed == 1);
    rig.deliver({"after"});  // nobody is there: nothing happens
  }
}

TEST_CASE("gateway: replies come in the order of the requests, several messages in one read") {
  Rig rig;
  RawSocket socket(rig);
  REQUIRE(socket.shake_hands().starts_with("HTTP/1.1 101"));
  socket.read_frame();
  socket.send(masked(0x81, R"({"type":"ping","id":1})") + masked(0x81, "{") +
              masked(0x81, R"({"type":"subscribe","id":2,"pattern":"posts.*"})") +
              masked(0x81, R"({"type":"unsubscribe","id":3,"pattern":"*"})"));
  const char* types[] = {"pong", "error", "subscribed", "unsubscribed"};
  for (const auto* type : types) {
    CHECK(Json::parse(socket.read_frame().payload).at("type") == type);
  }
}

TEST_CASE("gateway: a message in fragments, with a ping between them, is one message") {
  Rig rig;
  RawSocket socket(rig);
  REQUIRE(socket.shake_hands().starts_with("HTTP/1.1 101"));
  socket.read_frame();
  socket.send(masked(0x01, R"({"type")") + masked(0x00, "") + masked(0x89, "hello") +
              masked(0x00, R"(:"ping")") + masked(0x80, "}"));
  CHECK(socket.read_frame() == Frame{pong_opcode, "hello"});
  CHECK(socket.read_frame() == Frame{text_opcode, R"({"type":"pong"})"});
}

TEST_CASE("gateway: a message may be as large as message_bytes, byte by byte if it must") {
  Rig rig;
  RawSocket socket(rig);
  REQUIRE(socket.shake_hands().starts_with("HTTP/1.1 101"));
  socket.read_frame();
  std::string text = R"({"type":"ping"})";
  text.resize(65'536, ' ');
  socket.send(masked(0x81, text));
  CHECK(socket.read_frame() == Frame{text_opcode, R"({"type":"pong"})"});
  for (const char byte : masked(0x81, R"({"type":"ping"})")) socket.send(std::string(1, byte));
  CHECK(socket.read_frame() == Frame{text_opcode, R"({"type":"pong"})"});
}

TEST_CASE("gateway: a frame that breaks the rules closes the connection with its code") {
  struct Row {
    std::string bytes;
    unsigned code;
    const char* why;
  };
  const Row table[] = {
      {masked(0x82, "abc"), 1003, "binary"},
      {masked(0x82, ""), 1003, "binary and empty"},
      {masked(0x02, "abc") + masked(0x80, "d"), 1003, "binary in fragments"},
      {masked(0x81, "\xff"), 1007, "no UTF-8"},
      {masked(0x81, "\xe2\x82"), 1007, "UTF-8 that ends early"},
      {masked(0x81, "\xed\xa0\x80"), 1007, "a surrogate"},
      {masked(0x81, std::string(65'537, ' ')), 1009, "larger than message_bytes"},
      {masked(0x01, std::string(40'000, ' ')) + masked(0x80, std::string(40'000, ' ')), 1009,
       "larger in fragments"},
      {masked(0xc1, "{}"), 1002, "a reserved bit"},
      {masked(0x83, "{}"), 1002, "a reserved opcode"},
      {masked(0x80, "{}"), 1002, "a continuation of nothing"},
      {masked(0x01, "{") + masked(0x81, "}"), 1002, "a message inside a message"},
      {masked(0x09, ""), 1002, "a ping in fragments"},
      {masked(0x89, std::string(126, 'x')), 1002, "a long ping"},
      {masked(0x88, "\x03"), 1002, "half a close code"},
      {masked(0x88, code_bytes(1005)), 1002, "a close code that is none"},
      {std::string("\x81\x02{}", 4), 1002, "not masked"},
  };
  Rig rig;
  int opened = 0;
  for (const auto& row : table) {
    CAPTURE(row.why);
    RawSocket socket(rig);
    REQUIRE(socket.shake_hands().starts_with("HTTP/1.1 101"));
    socket.read_frame();
    socket.try_send(row.bytes);
    const auto close = socket.read_frame();
    CHECK(code_of(close) == row.code);
    socket.try_send(masked(0x88, code_bytes(row.code)));
    CHECK(socket.read_frame().opcode >= at_end);
    eventually_equals([&] { return rig.op.released.load(); }, ++opened);
  }
  CHECK(rig.connections() == 0);
}

TEST_CASE("gateway: a client that never answers a close frame is cut") {
  Rig rig;
  RawSocket socket(rig);
  REQUIRE(socket.shake_hands().starts_with("HTTP/1.1 101"));
  socket.read_frame();
  socket.send(masked(0x82, "abc"));
  CHECK(code_of(socket.read_frame()) == 1003);
  CHECK(socket.read_frame().opcode >= at_end);
  eventually_equals([&] { return rig.connections(); }, 0U);
}

TEST_CASE("gateway: a connection is closed from inside after what was queued for it") {
  Rig rig;
  auto client = rig.connect();
  next(client);
  subscribe(client, "posts.*");
  rig.on_shard([&] {
    rig.deliver_here({"a"}, 1);
    rig.gateway->close(0, CloseCode::kicked, "by an administrator");
    rig.deliver_here({"b"}, 2);
    rig.gateway->close(0, CloseCode::normal, "again");
  });
  CHECK(next(client).at("record_id") == "1");
  CHECK(close_code_of(client) == 4403);
  eventually_equals([&] { return rig.connections(); }, 0U);
  CHECK(rig.op.released == 1);
}

TEST_CASE("gateway: a hundred refusals for their rate close the connection with 4429") {
  RigOptions options;
  options.limits.requests_per_second = 1;
  options.gateway.frames_per_second = 1e6;
  Rig rig(options);
  auto client = rig.connect();
  for (int i = 0; i < 150; ++i) {
    if (!client.send(R"({"type":"subscribe","pattern":"posts.*"})").ok()) break;
  }
  CHECK(close_code_of(client) == 4429);
}

TEST_CASE("gateway: connections are known with id, address and patterns while they last") {
  Rig rig;
  auto client = rig.connect();
  const auto id = next(client).at("connection_id").get<std::string>();
  subscribe(client, "posts.*");
  subscribe(client, "posts.7");
  const auto known = rig.on_shard([&] { return rig.gateway->list({}).connections; });
  REQUIRE(known.size() == 1);
  const ConnectionRecord& record = known[0].record;
  CHECK(record.id == id);
  CHECK(record.remote_address.starts_with("127.0.0.1:"));
  REQUIRE(known[0].patterns.size() == 2);
  CHECK(known[0].patterns[0].pattern == "posts.*");
  CHECK(known[0].patterns[1].pattern == "posts.7");
  const auto age = std::chrono::system_clock::now() - record.connected_at;
  CHECK(age < 1min);
}

TEST_CASE("gateway: a gateway may end while connections are open") {
  Rig rig;
  auto client = rig.connect();
  next(client);
  subscribe(client, "posts.*");
  RawSocket http(rig);
  rig.on_shard([&] { rig.gateway.reset(); });
  CHECK(rig.op.released == 1);
  CHECK(rig.connections() == 0);
  CHECK(!client.receive(5s).ok());
}

TEST_CASE("gateway: a thousand connections come and go, each told of once") {
  Rig rig;
  for (int round = 0; round < 10; ++round) {
    std::vector<RawSocket> sockets;
    for (int i = 0; i < 100; ++i) {
      sockets.emplace_back(rig);
      REQUIRE(sockets.back().shake_hands().starts_with("HTTP/1.1 101"));
      sockets.back().send(masked(0x81, R"({"type":"subscribe","pattern":"posts.*"})"));
      if (i % 3 == 0) sockets.back().reset();
    }
    rig.deliver({"x"});
  }
  eventually_equals([&] { return rig.connections(); }, 0U);
  CHECK(rig.op.admitted == rig.op.released);
  CHECK(rig.subscriptions() == 0);
}
