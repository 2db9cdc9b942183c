#include <algorithm>

#include "broker/memory_account.hpp"
#include "gateway_rig.hpp"
#include "model/frame.hpp"

// Who pays when the account of memory is over: shards that share one, and clients that do not read.
using namespace pgtide;
using namespace pgtide::test;

namespace {

constexpr std::size_t account_bytes = 8'000'000;
constexpr int idle_buffer = 16'384;

RigOptions within(MemoryAccount& memory) {
  RigOptions options;
  options.gateway.memory = &memory;
  options.gateway.backlog_bytes = account_bytes;
  return options;
}

// One that reads nothing unless it is told to.
class Idler {
 public:
  explicit Idler(Rig& rig) : rig_(rig), socket_(rig, idle_buffer) {
    REQUIRE(socket_.shake_hands().starts_with("HTTP/1.1 101"));
    const auto hello = Json::parse(socket_.read_frame().payload);
    id_ = hello.at("connection_id");
    number_ = rig.on_shard([&] { return *rig.broker.find(id_); });
  }

  void subscribe(std::uint64_t record) {
    record_ = record;
    socket_.send(masked(0x81, R"({"type":"subscribe","pattern":"posts.)" + std::to_string(record) +
                                  "\"}"));
    REQUIRE(socket_.read_frame().opcode == text_opcode);
  }
  // Events of its record, until so many bytes of them wait and stay: at first the systems on both
  // sides still move them into their buffers.
  void grow_backlog(std::size_t bytes) {
    const auto waits = [&] { return backlog() >= bytes; };
    for (int round = 0; round < 2'000; ++round) {
      if (waits() && !becomes_true([&] { return !waits(); }, 100ms)) return;
      rig_.deliver({std::string(50'000, 'x')}, record_);
    }
    FAIL("the system takes all of it");
  }
  // The same of replies.
  void grow_replies(std::size_t bytes, std::size_t piece) {
    const std::string frame = make_text_frame(std::string(piece, ' '));
    const auto waits = [&] { return unread() >= bytes; };
    for (int round = 0; round < 100'000 && is_open(); ++round) {
      if (waits() && !becomes_true([&] { return !waits(); }, 100ms)) return;
      rig_.on_shard([&] { rig_.gateway->send_reply(number_, frame); });
    }
    REQUIRE_FALSE(is_open());
  }

  std::size_t backlog() {
    const auto page = rig_.on_shard([&] { return rig_.gateway->list({.id = id_}); });
    return page.connections.empty() ? 0 : page.connections.front().backlog_bytes;
  }
  // Of replies, where the others of its account have none that change.
  std::size_t unread() {
    return rig_.on_shard([&] { return account_->used(MemoryKind::replies); });
  }
  bool is_open() {
    return rig_.on_shard([&] { return rig_.broker.find(id_).has_value(); });
  }
  // Reads on until `word` stands in a frame.
  bool hears(const std::string& word) {
    for (auto frame = socket_.read_answer(); frame.opcode == text_opcode;
         frame = socket_.read_answer()) {
      if (frame.payload.find(word) != std::string::npos) return true;
    }
    return false;
  }
  void expect_word(const std::string& word) {
    rig_.on_shard([&] { rig_.gateway->send_reply(number_, make_text_frame(word)); });
    CHECK(hears(word));
  }

  Idler& in(MemoryAccount& account) {
    account_ = &account;
    return *this;
  }

 private:
  Rig& rig_;
  RawSocket socket_;
  std::string id_{};
  ConnectionNumber number_ = 0;
  std::uint64_t record_ = 0;
  MemoryAccount* account_ = nullptr;
};

}  // namespace

TEST_CASE("gateway: the largest backlogs of all shards fall first, whichever finds memory short") {
  MemoryAccount memory(account_bytes);
  Rig mine(within(memory)), theirs(within(memory));
  Idler moderate(mine);
  moderate.subscribe(1);
  moderate.grow_backlog(500'000);
  std::vector<std::unique_ptr<Idler>> hoarders;
  for (std::uint64_t record = 2; record < 5; ++record) {
    hoarders.push_back(std::make_unique<Idler>(theirs));
    hoarders.back()->subscribe(record);
    hoarders.back()->grow_backlog(1'500'000);
  }
  while (!memory.over()) theirs.deliver({std::string(50'000, 'x')}, 4);
  REQUIRE_FALSE(memory.far_over());
  theirs.on_shard([&] { theirs.gateway->weigh_backlogs(); });

  CHECK_FALSE(mine.on_shard([&] { return mine.gateway->drop_backlogs(); }));
  CHECK(mine.counters().fell_behind == 0);
  CHECK(mine.op.asked_for_memory == 1);
  theirs.on_shard([&] { theirs.gateway->relieve_memory(); });
  CHECK(memory.eased());
  CHECK(theirs.counters().fell_behind >= 1);
  CHECK(theirs.op.asked_for_memory == 0);
  CHECK(mine.counters().fell_behind == 0);
  CHECK(moderate.backlog() >= 400'000);
  CHECK(memory.steps(MemoryStep::backlog_dropped) == theirs.counters().fell_behind);
}

TEST_CASE("gateway: where the other shards give nothing back, a shard drops what it has") {
  MemoryAccount memory(account_bytes);
  Rig rig(within(memory));
  Idler moderate(rig);
  moderate.subscribe(1);
  moderate.grow_backlog(500'000);
  // Of a shard that has said what it holds, and does not get to give it back.
  SizeEntry stuck(&memory.backlog_sizes());
  stuck.set(account_bytes);
  MemoryCharge charge(&memory, MemoryKind::backlogs, account_bytes);
  const auto drop = [&] { return rig.on_shard([&] { return rig.gateway->drop_backlogs(); }); };
  CHECK_FALSE(memory.far_over());
  CHECK_FALSE(drop());
  CHECK(rig.counters().fell_behind == 0);
  charge.set(account_bytes + account_bytes / 8);
  CHECK_FALSE(drop());
  CHECK(rig.counters().fell_behind == 1);
}

TEST_CASE("gateway: a client that leaves a few replies unread stays, however short memory is") {
  MemoryAccount memory(account_bytes);
  const MemoryCharge others(&memory, MemoryKind::subscriptions, account_bytes / 8 * 5);
  REQUIRE_FALSE(memory.takes_subscription());
  Rig rig(within(memory));
  Idler innocent(rig);
  innocent.in(memory).grow_replies(20'000, 1'000);
  CHECK(innocent.is_open());
  innocent.expect_word("the last one");
  CHECK(memory.steps(MemoryStep::client_cut_off) == 0);
}

TEST_CASE("gateway: where replies have an eighth of memory, those with most of them are cut off") {
  MemoryAccount memory(account_bytes);
  Rig mine(within(memory)), theirs(within(memory));
  Idler innocent(mine);
  innocent.in(memory).grow_replies(20'000, 1'000);
  Idler first(theirs), second(theirs), third(theirs);
  first.in(memory).grow_replies(320'000, 10'000);
  second.in(memory).grow_replies(640'000, 10'000);
  CHECK(memory.steps(MemoryStep::client_cut_off) == 0);
  third.in(memory).grow_replies(account_bytes, 10'000);  // as far as it gets
  CHECK_FALSE(third.is_open());
  CHECK(memory.unread_eased());
  CHECK(memory.steps(MemoryStep::client_cut_off) >= 1);
  CHECK(memory.steps(MemoryStep::client_cut_off) <= 2);
  innocent.expect_word("the last one");
}

TEST_CASE("gateway: replies of a few on one shard do not cut off those of another") {
  MemoryAccount memory(account_bytes);
  Rig mine(within(memory)), theirs(within(memory));
  Idler innocent(mine);
  innocent.in(memory).grow_replies(20'000, 1'000);
  SizeEntry stuck(&memory.unread_sizes());
  stuck.set(account_bytes / 8);
  const MemoryCharge charge(&memory, MemoryKind::replies, account_bytes / 8);
  mine.on_shard([&] { mine.gateway->send_reply(0, make_text_frame("one more")); });
  CHECK(innocent.is_open());
  CHECK(mine.op.asked_for_memory == 1);
  mine.on_shard([&] { mine.gateway->send_reply(0, make_text_frame("the last one")); });
  CHECK(mine.op.asked_for_memory == 1);  // once while about as much is unread
  CHECK(innocent.hears("the last one"));
}

TEST_CASE("gateway: a client that leaves sixteen times reply_bytes unread is cut off") {
  MemoryAccount memory(0);
  RigOptions options = within(memory);
  options.gateway.reply_bytes = 20'000;
  Rig rig(options);
  Idler idler(rig);
  idler.in(memory).grow_replies(300'000, 1'000);
  CHECK(idler.is_open());
  idler.grow_replies(400'000, 1'000);
  CHECK_FALSE(idler.is_open());
  eventually_equals([&] { return rig.connections(); }, 0U);
  CHECK(memory.used(MemoryKind::replies) == 0);
}

namespace {

// A pattern that is longer than what is read without room.
std::string long_message(std::size_t bytes = 40'000) {
  return masked(0x81, R"({"type":"unsubscribe","pattern":"posts.)" + std::string(bytes, 'x') +
                          "\"}");
}

constexpr std::size_t header_bytes = 8;  // of a frame of 126 to 65535 bytes

// 127.0.0.`last`, without its port.
void come_from(RawSocket& socket, unsigned last) {
  sockaddr_in from{};
  from.sin_family = AF_INET;
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + last);
  REQUIRE(::bind(socket.native(), reinterpret_cast<sockaddr*>(&from), sizeof from) == 0);
}
std::string without_port(std::string_view address) {
  return std::string(address.substr(0, address.rfind(':')));
}

std::vector<RawSocket> begin_messages(Rig& rig, std::size_t count, std::string_view beginning,
                                      unsigned address = 1) {
  std::vector<RawSocket> sockets;
  for (std::size_t i = 0; i < count; ++i) {
    RawSocket& one = sockets.emplace_back(RawSocket::unconnected());
    come_from(one, address);
    one.connect(rig);
    REQUIRE(one.shake_hands().starts_with("HTTP/1.1 101"));
    REQUIRE(one.read_frame().opcode == text_opcode);
    one.send(beginning);
  }
  return sockets;
}

}  // namespace

TEST_CASE("gateway: long messages on their way have an eighth of memory, the others wait") {
  MemoryAccount memory(account_bytes);
  RigOptions options = within(memory);
  options.gateway.frames_per_second = 0;
  Rig rig(options);
  const std::string whole = long_message();
  const std::size_t bytes = whole.size() - header_bytes, room = account_bytes / 8 / bytes;
  auto sockets = begin_messages(rig, 2 * room, std::string_view(whole).substr(0, 20'000));
  const auto held = [&] { return memory.used(MemoryKind::messages); };
  eventually_equals(held, room * bytes);
  for (RawSocket& one : sockets) one.send(std::string_view(whole).substr(20'000));
  for (RawSocket& one : sockets) CHECK(one.read_frame().payload.find("error") != std::string::npos);
  eventually_equals(held, 0U);
  CHECK(memory.steps(MemoryStep::client_cut_off) == 0);
}

TEST_CASE("gateway: who begins long messages and rests is cut off where others wait for room") {
  MemoryAccount memory(account_bytes);
  RigOptions options = within(memory);
  options.gateway.frames_per_second = 0;
  options.gateway.handshake_timeout = 300ms;
  Rig rig(options);
  const std::string whole = long_message();
  const std::size_t bytes = whole.size() - header_bytes, room = account_bytes / 8 / bytes;
  auto idle = begin_messages(rig, room, std::string_view(whole).substr(0, 20'000));
  eventually_equals([&] { return memory.used(MemoryKind::messages); },
                    room * bytes);
  auto honest = begin_messages(rig, 1, whole);
  CHECK(honest.front().read_frame().payload.find("error") != std::string::npos);
  CHECK(memory.steps(MemoryStep::client_cut_off) == room);
  CHECK(rig.connections() == 1);
}

TEST_CASE("gateway: a long message that has come is not cut off for what it waits here") {
  MemoryAccount memory(account_bytes);
  RigOptions options = within(memory);
  options.gateway.frames_per_second = 0;
  options.gateway.handshake_timeout = 500ms;
  options.gateway.events_wait = [] { return true; };
  Rig rig(options);
  const std::string whole = long_message(22'000);
  const std::size_t bytes = whole.size() - header_bytes, room = account_bytes / 8 / bytes;
  auto begun = begin_messages(rig, room, std::string_view(whole).substr(0, 20'000));
  eventually_equals([&] { return memory.used(MemoryKind::messages); },
                    room * bytes);
  auto waiting = begin_messages(rig, 1, whole);
  for (int turn = 0; turn < 100; ++turn) rig.on_shard([] {});  // until it waits for room
  // The shard is busy for longer than a message may take, and the rest of one comes meanwhile.
  std::promise<void> busy, over;
  boost::asio::post(rig.context, [&busy, wanted = over.get_future().share()] {
    busy.set_value();
    wanted.wait();
  });
  busy.get_future().wait();
  const auto until = std::chrono::steady_clock::now() + 2 * options.gateway.handshake_timeout;
  begun.front().send(std::string_view(whole).substr(20'000));
  while (std::chrono::steady_clock::now() < until) std::this_thread::yield();
  over.set_value();
  CHECK(begun.front().read_frame().payload.find("error") != std::string::npos);
  CHECK(waiting.front().read_frame().payload.find("error") != std::string::npos);
  CHECK(memory.steps(MemoryStep::client_cut_off) == room - 1);
}

TEST_CASE("gateway: a long message takes the room that its frame's header says it needs") {
  MemoryAccount memory(account_bytes);
  Rig rig(within(memory));
  const auto held = [&] { return memory.used(MemoryKind::messages); };
  const std::string nine = long_message(9'000);
  auto one = begin_messages(rig, 1, std::string_view(nine).substr(0, 6'000));
  eventually_equals(held, nine.size() - header_bytes);
  one.front().send(std::string_view(nine).substr(6'000));
  CHECK(one.front().read_frame().payload.find("error") != std::string::npos);
  eventually_equals(held, 0U);
  // Of one in fragments nobody knows how long it gets.
  const auto begun = begin_messages(rig, 1, masked(0x01, std::string(6'000, 'x')));
  eventually_equals(held, within(memory).gateway.message_bytes);
}

TEST_CASE("gateway: addresses that fill the room for long messages hold up no other's") {
  MemoryAccount memory(account_bytes);
  RigOptions options = within(memory);
  options.address_key = without_port;
  options.gateway.handshake_timeout = 1h;
  Rig rig(options);
  const std::string whole = long_message(60'000);
  const std::size_t room = account_bytes / 8 / (whole.size() - header_bytes);
  const auto beginning = std::string_view(whole).substr(0, 4'600);
  // More than there is room for, of two addresses; and one that is slow, of a third.
  const auto slow_message = long_message(50'000);
  auto slow = begin_messages(rig, 1, std::string_view(slow_message).substr(0, 20'000), 2);
  eventually_equals([&] { return memory.used(MemoryKind::messages); },
                    slow_message.size() - header_bytes);
  const auto first = begin_messages(rig, room, beginning, 3);
  const auto second = begin_messages(rig, room, beginning, 4);
  CHECK(memory.used(MemoryKind::messages) > account_bytes / 8 - whole.size());
  for (const unsigned address : {5U, 6U, 7U}) {
    auto honest = begin_messages(rig, 1, long_message(9'000), address);
    CHECK(honest.front().read_frame().payload.find("error") != std::string::npos);
    auto longer = begin_messages(rig, 1, whole, address);
    CHECK(longer.front().read_frame().payload.find("error") != std::string::npos);
  }
  CHECK(memory.used(MemoryKind::messages) <= account_bytes / 8);
  CHECK(memory.steps(MemoryStep::client_cut_off) > 0);
  slow.front().send(std::string_view(slow_message).substr(20'000));
  CHECK(slow.front().read_frame().payload.find("error") != std::string::npos);
}

TEST_CASE("gateway: one long message of an address gives way to smaller ones alone") {
  MemoryAccount memory(account_bytes);
  RigOptions options = within(memory);
  options.address_key = without_port;
  options.gateway.handshake_timeout = 1h;
  Rig rig(options);
  const std::string whole = long_message(60'000);
  const auto beginning = std::string_view(whole).substr(0, 4'600);
  const std::size_t bytes = whole.size() - header_bytes, room = account_bytes / 8 / bytes;
  std::vector<std::vector<RawSocket>> alone;
  for (unsigned address = 0; address < room; ++address) {
    alone.push_back(begin_messages(rig, 1, beginning, 10 + address));
  }
  eventually_equals([&] { return memory.used(MemoryKind::messages); }, room * bytes);
  auto same = begin_messages(rig, 1, whole, 2);
  CHECK(memory.steps(MemoryStep::client_cut_off) == 0);
  auto smaller = begin_messages(rig, 1, long_message(45'000), 3);
  CHECK(smaller.front().read_frame().payload.find("error") != std::string::npos);
  CHECK(memory.steps(MemoryStep::client_cut_off) == 1);
  // What that leaves is the next one's.
  CHECK(same.front().read_frame().payload.find("error") != std::string::npos);
  CHECK(memory.steps(MemoryStep::client_cut_off) == 1);
}
