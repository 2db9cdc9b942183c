#include "support/readers.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <ctime>

#include "support/bench.hpp"
#include "support/socket.hpp"

namespace pgtide::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t read_bytes = 256 * 1024;
constexpr std::chrono::seconds answer_time_max{30};
// The digits behind `key`, which is looked for from `from` on.
std::string_view behind(std::string_view text, std::string_view key, std::size_t from = 0) {
  const std::size_t at = text.find(key, from);
  return at == std::string_view::npos ? std::string_view{} : text.substr(at + key.size());
}

std::int64_t digits(std::string_view text, std::size_t at, std::size_t count) {
  std::int64_t value = 0;
  std::from_chars(text.data() + at, text.data() + at + count, value);
  return value;
}

}  // namespace

Readers::Readers(const std::string& address, std::size_t count, const std::string& pattern,
                 const TokenOf& token_of)
    : epoll_(epoll_create1(EPOLL_CLOEXEC)), connections_(count), buffer_(read_bytes) {
  for (std::size_t i = 0; i < count; ++i) {
    open(connections_[i], address, token_of ? token_of(i) : "", pattern);
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    wanted.data.u64 = i;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_[i].socket, &wanted) != 0) fail("epoll_ctl");
    await_subscribed(i);
  }
}

Readers::~Readers() {
  for (const Connection& connection : connections_) {
    if (connection.socket >= 0) close(connection.socket);
  }
  if (epoll_ >= 0) close(epoll_);
}

void Readers::open(Connection& connection, const std::string& address, const std::string& token,
                   const std::string& pattern) {
  connection.socket = connect_to(address);
  connection.stream.feed(upgrade(connection.socket, address, token), [](const ServerFrame&) {});
  send_all(connection.socket, masked_frame(text_opcode, R"({"type":"subscribe","pattern":")" +
                                                            pattern + R"("})"));
}

void Readers::await_subscribed(std::size_t reader) {
  bool subscribed = false;
  const auto deadline = steady_clock::now() + answer_time_max;
  const OnText look = [&](std::size_t from, std::string_view text) {
    if (text.starts_with(R"({"type":"error")")) give_up("refused: " + std::string(text));
    if (from == reader && text.starts_with(R"({"type":"subscribed")")) subscribed = true;
  };
  while (!subscribed) {
    poll(milliseconds(100), look);
    if (steady_clock::now() > deadline) give_up("no answer to subscribe");
  }
}

bool Readers::poll(milliseconds limit, const OnText& on_text) {
  std::array<epoll_event, 256> ready;
  const int count = epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()),
                               static_cast<int>(limit.count()));
  if (count < 0 && errno != EINTR) fail("epoll_wait");
  for (int i = 0; i < count; ++i) {
    read_some(ready[static_cast<std::size_t>(i)].data.u64, on_text);
  }
  return count > 0;
}

void Readers::read_some(std::size_t reader, const OnText& on_text) {
  Connection& connection = connections_[reader];
  const ssize_t got = recv(connection.socket, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) give_up("the bridge closed connection " + std::to_string(reader));
  bytes_ += static_cast<std::uint64_t>(got);
  connection.stream.feed({buffer_.data(), static_cast<std::size_t>(got)},
                         [&](const ServerFrame& frame) { take(reader, frame, on_text); });
}

void Readers::take(std::size_t reader, const ServerFrame& frame, const OnText& on_text) {
  if (frame.opcode == text_opcode) return on_text(reader, frame.payload);
  if (frame.opcode == ping_opcode) {
    send_all(connections_[reader].socket, masked_frame(pong_opcode, frame.payload));
  }
  if (frame.opcode == close_opcode) give_up("the bridge closed with a close frame");
}

bool is_record_event(std::string_view text) {
  return text.starts_with(R"({"type":"record_event")");
}

std::uint64_t record_number(std::string_view text) {
  const std::string_view digits_on = behind(text, R"("record":{"id":)");
  std::uint64_t number = 0;
  std::from_chars(digits_on.data(), digits_on.data() + digits_on.size(), number);
  return number;
}

std::int64_t timestamp_us(std::string_view text) {
  const std::string_view at = behind(text, R"("timestamp":")");  // 2026-11-23T10:15:30.123456Z
  if (at.size() < 27) return 0;
  std::tm parts{};
  parts.tm_year = static_cast<int>(digits(at, 0, 4)) - 1900;
  parts.tm_mon = static_cast<int>(digits(at, 5, 2)) - 1;
  parts.tm_mday = static_cast<int>(digits(at, 8, 2));
  parts.tm_hour = static_cast<int>(digits(at, 11, 2));
  parts.tm_min = static_cast<int>(digits(at, 14, 2));
  parts.tm_sec = static_cast<int>(digits(at, 17, 2));
  return std::int64_t{timegm(&parts)} * 1'000'000 + digits(at, 20, 6);
}

double age_ms(std::string_view text) {
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  return static_cast<double>(now.count() - timestamp_us(text)) / 1e3;
}

}  // namespace pgtide::bench
