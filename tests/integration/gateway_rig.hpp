#pragma once
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "broker/broker.hpp"
#include "gateway/acceptor.hpp"
#include "gateway/client.hpp"
#include "gateway/gateway.hpp"
#include "gateway/operator.hpp"
#include "support/client_frame.hpp"
#include "support/eventually.hpp"

// A shard with a real broker and real sockets, without a database: batches are made by hand.
namespace pgtide::test {

using Json = nlohmann::json;

// What the bridge would answer. Members are set before the first request.
class TestOperator final : public Operator {
 public:
  Readiness readiness() override { return {ready, R"({"ready":false,"database":"away"})"}; }
  void metrics(std::function<void(std::string)> done) override { done("pgtide_up 1\n"); }
  void broadcast(BroadcastRequest request, std::function<void(BroadcastDone)> done) override {
    {
      const std::lock_guard lock(mutex);
      requests.push_back({request.collection.value_or("<all>"), request.json});
    }
    // From another thread, as the bridge's does.
    std::thread([done = std::move(done), answer = answer] { done(answer); }).detach();
  }
  void list(ConnectionQuery, std::function<void(ConnectionPage)> done) override { done({}); }
  void kick(ConnectionQuery, std::function<void(std::size_t)> done) override { done(0); }
  std::optional<std::string_view> page() override { return page_text; }
  bool may_ask(std::string_view) override { return --requests_left >= 0; }
  Admission admit(const std::string& address) override {
    if (admission != Admission::admitted) return admission;
    const std::lock_guard lock(mutex);
    last_address = address;
    ++admitted;
    return admission;
  }
  void release(const std::string&) override { ++released; }
  void ask_for_memory() override { ++asked_for_memory; }

  bool ready = false;
  BroadcastDone answer{};
  std::optional<std::string_view> page_text{};
  std::atomic<Admission> admission = Admission::admitted;
  std::atomic<int> requests_left = 1'000'000;  // of all addresses
  std::atomic<int> admitted = 0;
  std::atomic<int> released = 0;
  std::atomic<int> asked_for_memory = 0;
  std::mutex mutex;
  std::string last_address{};
  std::vector<std::pair<std::string, std::string>> requests{};
};

inline std::shared_ptr<const Policy> open_policy() {
  const Collection posts{.id = 1,
                         .name = "posts",
                         .table = "public.posts",
                         .key = {"id"},
                         .columns = {"id", "title"}};
  auto catalog = std::make_shared<Catalog>(std::vector{posts}, std::vector<std::string>{});
  auto rules = std::make_shared<Rules>();
  rules->all.kind = Audience::Kind::anyone;
  for (const auto* name : {"posts", "notifications"}) {
    CollectionRule rule;
    rule.name = name;
    rule.table = std::string("public.") + name;
    rule.subscribe.kind = Audience::Kind::anyone;
    rules->collections.emplace(name, rule);
  }
  return Policy::bind(std::move(rules), std::move(catalog), nullptr);
}

struct RigOptions {
  GatewayOptions gateway{};
  BrokerLimits limits{.requests_per_second = 1e6};
  std::string host = "127.0.0.1";
  std::function<std::string(std::string_view)> address_key{};  // none: each port is one of its own
};

class Rig {
 public:
  explicit Rig(RigOptions options = {})
      : broker({.limits = options.limits,
                .heartbeat_interval = options.gateway.heartbeat_interval,
                .address_key = options.address_key,
                .memory = options.gateway.memory},
               open_policy(), Cursor{1, 1, 1}),
        gateway(std::make_unique<Gateway>(context, broker, op, options.gateway)) {
    auto listening = Acceptor::listen(context, options.host, 0);
    REQUIRE_MESSAGE(listening.ok(), (listening.ok() ? "" : listening.error().to_string()));
    acceptor = std::move(*listening);
    boost::asio::post(context, [this] {
      acceptor->start({.take = [this](int native, const std::string&) {
        if (gateway) return gateway->adopt(native);
        ::close(native);
      }});
    });
    thread = std::thread([this] { context.run(); });
  }
  ~Rig() {
    on_shard([this] {
      acceptor->stop();
      gateway.reset();
    });
    work.reset();
    context.stop();
    thread.join();
  }

  // Runs `call` on the shard's thread and waits for its value.
  template <class Call>
  auto on_shard(Call call) -> decltype(call()) {
    std::packaged_task<decltype(call())()> task(std::move(call));
    auto answer = task.get_future();
    boost::asio::post(context, std::move(task));
    return answer.get();
  }

  std::string address() const { return acceptor->address(); }
  std::string url() const { return "ws://" + address() + "/realtime/subscribe"; }
  std::string http(const std::string& path) const { return "http://" + address() + path; }
  Client connect() {
    auto client = Client::connect(url());
    REQUIRE_MESSAGE(client.ok(), (client.ok() ? "" : client.error().to_string()));
    return std::move(*client);
  }

  // Delivers `titles.size()` rows as one batch. `from`: the first one's id.
  void deliver(const std::vector<std::string>& titles, std::uint64_t from = 1) {
    on_shard([&] { deliver_here(titles, from); });
  }
  // `backlogs`: what Gateway::send() says of each delivery.
  void deliver_here(const std::vector<std::string>& titles, std::uint64_t from,
                    std::vector<std::optional<std::size_t>>* backlogs = nullptr) {
    Batch batch;
    batch.epoch = batch.nonce = 1;
    batch.tick = ++tick;
    for (const auto& title : titles) {
      Event event;
      event.id = from;
      event.collection_id = 1;
      event.collection = "posts";
      event.record_id = std::to_string(from);
      event.new_row = "{\"id\":" + std::to_string(from) + ",\"title\":\"" + title + "\"}";
      event.timestamp = "2026-11-23T10:15:30.123456Z";
      batch.events.push_back(std::move(event));
      ++from;
    }
    broker.deliver(batch, [&](const Delivery& delivery) {
      const auto backlog = gateway->send(delivery);
      if (backlogs != nullptr) backlogs->push_back(backlog);
    });
  }

  GatewayCounters counters() {
    return on_shard([this] { return gateway->counters(); });
  }
  std::size_t connections() {
    return on_shard([this] { return broker.connection_count(); });
  }
  std::size_t subscriptions() {
    return on_shard([this] { return broker.subscription_count(); });
  }

  boost::asio::io_context context{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{
      context.get_executor()};
  TestOperator op;
  Broker broker;
  std::unique_ptr<Gateway> gateway;
  std::unique_ptr<Acceptor> acceptor;
  std::uint64_t tick = 1;
  std::thread thread;
};

// The next frame of `client` as JSON; fails the test where none comes.
inline Json next(Client& client) {
  auto got = client.receive(5s);
  REQUIRE_MESSAGE(got.ok(), (got.ok() ? "" : got.error().to_string()));
  REQUIRE_MESSAGE(got->has_value(), "no frame within 5 s");
  return Json::parse(**got);
}
inline std::string next_type(Client& client) {
  return next(client).at("type");
}
inline void say(Client& client, const std::string& text) {
  REQUIRE(client.send(text).ok());
}
inline void subscribe(Client& client, const std::string& pattern) {
  say(client, R"({"type":"subscribe","pattern":")" + pattern + "\"}");
  REQUIRE(next_type(client) == "subscribed");
}
// Reads until the connection is over; its close code, 0: none.
inline unsigned close_code_of(Client& client) {
  for (;;) {
    const auto got = client.receive(5s);
    if (!got.ok()) return client.close_code().value_or(0);
    REQUIRE_MESSAGE(got->has_value(), "still open after 5 s");
  }
}

struct Frame {
  unsigned opcode = 0;  // 16 where the peer has closed the socket, 17 where it was reset
  std::string payload{};
  friend bool operator==(const Frame&, const Frame&) = default;
};
inline std::ostream& operator<<(std::ostream& out, const Frame& frame) {
  return out << "{" << frame.opcode << ", \"" << frame.payload << "\"}";
}
constexpr unsigned text_opcode = 1, close_opcode = 8, ping_opcode = 9, pong_opcode = 10;
constexpr unsigned at_end = 16, at_reset = 17;

// A TCP socket and the bytes one chooses. Reads wait five seconds at most.
class RawSocket {
 public:
  explicit RawSocket(const Rig& rig, int receive_buffer = 0) : RawSocket(unconnected()) {
    if (receive_buffer > 0) {
      ::setsockopt(native_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
      // Segments as on a real wire: loopback's are larger than such a buffer, and stall in it.
      const int segment = 1'400;
      ::setsockopt(native_, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    }
    connect(rig);
  }
  static RawSocket unconnected() { return RawSocket(::socket(AF_INET, SOCK_STREAM, 0)); }
  void connect(const Rig& rig) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(rig.acceptor->port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(native_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
    const timeval limit{5, 0};
    ::setsockopt(native_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(native_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  RawSocket(RawSocket&& other) noexcept
      : native_(std::exchange(other.native_, -1)), read_(std::move(other.read_)), at_(other.at_) {}
  RawSocket& operator=(RawSocket&&) = delete;
  ~RawSocket() {
    if (native_ >= 0) ::close(native_);
  }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(native_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      REQUIRE_MESSAGE(sent > 0, "the peer takes no more");
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // Like send(), for a peer that may be gone. False where it is.
  bool try_send(std::string_view bytes) {
    return ::send(native_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }

  // The head of an HTTP answer, up to its empty line.
  std::string read_head() {
    const auto find_end = [this] { return read_.find("\r\n\r\n", at_); };
    while (find_end() == std::string::npos && fill() == 1) {
    }
    const auto end = find_end();
    return take(end == std::string::npos ? read_.size() : end + 4 - at_);
  }
  std::string read_bytes(std::size_t size) {
    peek(size);
    return take(size);
  }
  std::string read_to_end() {
    while (fill() == 1) {
    }
    return take(read_.size());
  }

  // Opens the WebSocket; the answer's head. `headers`: further lines, each with its "\r\n".
  std::string shake_hands(const std::string& headers = "",
                          const std::string& target = "/realtime/subscribe",
                          const std::string& host = "127.0.0.1") {
    send("GET " + target + " HTTP/1.1\r\nHost: " + host +
         "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
         headers + "\r\n");
    return read_head();
  }
  Frame read_frame() {
    std::string head = peek(2);
    if (head.size() < 2) return {reset_ ? at_reset : at_end, {}};
    const auto opcode = static_cast<unsigned>(head[0]) & 0xfU;
    const auto size = frame_bytes(static_cast<unsigned char>(head[1]));
    const auto payload = read_bytes(size);
    if (payload.size() < size) return {reset_ ? at_reset : at_end, "cut"};
    return {opcode, payload};
  }
  // The next frame that is no ping.
  Frame read_answer() {
    auto frame = read_frame();
    while (frame.opcode == ping_opcode) frame = read_frame();
    return frame;
  }
  // Reads on to a close frame, or to the end.
  Frame read_close() {
    auto frame = read_frame();
    while (frame.opcode < close_opcode || frame.opcode == ping_opcode) frame = read_frame();
    return frame;
  }
  // Ends the connection with a reset.
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(native_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(std::exchange(native_, -1));
  }
  int native() const { return native_; }

 private:
  explicit RawSocket(int native) : native_(native) {}
  // 1: more bytes; 0: the end; -1: an error or too late.
  int fill() {
    char bytes[65'536];
    const auto got = ::recv(native_, bytes, sizeof bytes, 0);
    if (got < 0 && errno == ECONNRESET) reset_ = true;
    if (got <= 0) return got == 0 ? 0 : -1;
    read_.erase(0, std::exchange(at_, 0));
    read_.append(bytes, static_cast<std::size_t>(got));
    return 1;
  }
  std::string peek(std::size_t size) {
    while (read_.size() - at_ < size && fill() == 1) {
    }
    return read_.substr(at_, size);
  }
  std::string take(std::size_t size) {
    auto bytes = read_.substr(at_, size);
    at_ += bytes.size();
    return bytes;
  }
  std::size_t frame_bytes(unsigned char second) {
    const std::size_t extra = second == 126 ? 2 : second == 127 ? 8 : 0;
    const auto head = read_bytes(2 + extra);
    if (extra == 0) return second;
    std::size_t size = 0;
    for (std::size_t i = 2; i < head.size(); ++i) {
      size = size << 8 | static_cast<unsigned char>(head[i]);
    }
    return size;
  }

  int native_ = -1;
  std::string read_{};
  std::size_t at_ = 0;  // what of it was taken
  bool reset_ = false;
};

// What a close frame says in front of its reason.
inline unsigned code_of(const Frame& frame) {
  if (frame.opcode != close_opcode || frame.payload.size() < 2) return 0;
  return static_cast<unsigned>(static_cast<unsigned char>(frame.payload[0])) << 8 |
         static_cast<unsigned char>(frame.payload[1]);
}

}  // namespace pgtide::test
