#pragma once
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "support/frame_stream.hpp"

namespace pgtide::bench {

// Many WebSocket subscribers on one thread: epoll, one large read per turn and connection. It does
// what a client must (masks, answers pings) and no more, for on two cores the readers take away
// from what they measure. What fails gives up.
class Readers {
 public:
  using OnText = std::function<void(std::size_t reader, std::string_view text)>;

  using TokenOf = std::function<std::string(std::size_t reader)>;

  // Connects `count` of them, each with its token (without: anonymous), and subscribes each to
  // `pattern`: live when the constructor returns.
  Readers(const std::string& address, std::size_t count, const std::string& pattern,
          const TokenOf& token_of = {});
  ~Readers();
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;

  // Waits for bytes, `limit` at most, and calls `on_text` for every whole text frame among those
  // that are there. False when the time passed without any.
  bool poll(std::chrono::milliseconds limit, const OnText& on_text);

  std::size_t size() const { return connections_.size(); }
  std::uint64_t bytes() const { return bytes_; }

 private:
  struct Connection {
    int socket = -1;
    FrameStream stream{};
  };
  void open(Connection& connection, const std::string& address, const std::string& token,
            const std::string& pattern);
  void await_subscribed(std::size_t reader);
  void read_some(std::size_t reader, const OnText& on_text);
  void take(std::size_t reader, const ServerFrame& frame, const OnText& on_text);

  int epoll_ = -1;
  std::vector<Connection> connections_;
  std::vector<char> buffer_;
  std::uint64_t bytes_ = 0;
};

// Does the frame carry an event of a record? And its key, where that is a number called id and the
// first column: what tells whether a stream is whole and in order.
bool is_record_event(std::string_view text);
std::uint64_t record_number(std::string_view text);
// Its "timestamp": microseconds since 1970; 0 where there is none. And how long ago that was.
std::int64_t timestamp_us(std::string_view text);
double age_ms(std::string_view text);

}  // namespace pgtide::bench
