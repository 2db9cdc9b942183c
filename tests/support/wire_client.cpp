#include "support/wire_client.hpp"

#include <doctest/doctest.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <utility>

namespace pgtide::test {
namespace {

using Clock = std::chrono::steady_clock;

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

int connect_to(const std::string& address, int receive_buffer) {
  const std::size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), address.substr(colon + 1).c_str(), &hints, &found) != 0)
    FAIL("no such address: ", address);
  const int descriptor = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer > 0) {
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    // Segments as on a real wire: loopback's are larger than such a buffer, and stall in it.
    const int segment = 1'400;
    setsockopt(descriptor, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
  }
  const bool connected = connect(descriptor, found->ai_addr, found->ai_addrlen) == 0;
  freeaddrinfo(found);
  if (!connected) {
    ::close(descriptor);
    FAIL("nobody listens on ", address);
  }
  return descriptor;
}

std::string request_text(const std::string& request, const std::vector<std::string>& headers) {
  std::string text = request + " HTTP/1.1\r\n";
  bool has_host = false;
  for (const std::string& line : headers) {
    has_host = has_host || lower(line).starts_with("host:");
    text += line + "\r\n";
  }
  if (!has_host) text += "Host: localhost\r\n";
  return text + "\r\n";
}

// The status line and header lines at the front of `received`, which are taken off.
HttpReply take_head(std::string& received) {
  const std::size_t end = received.find("\r\n\r\n");
  std::string head = received.substr(0, end + 2);
  received.erase(0, end + 4);
  HttpReply reply;
  reply.status = std::stoi(head.substr(head.find(' ') + 1));
  std::size_t at = head.find("\r\n") + 2;
  while (at < head.size()) {
    const std::size_t stop = head.find("\r\n", at);
    const std::string line = head.substr(at, stop - at);
    const std::size_t colon = line.find(':');
    reply.headers[lower(line.substr(0, colon))] =
        line.substr(std::min(line.find_first_not_of(' ', colon + 1), line.size()));
    at = stop + 2;
  }
  return reply;
}

HttpReply read_head(WireSocket& socket, std::string& received) {
  const auto limit = Clock::now() + patience;
  while (received.find("\r\n\r\n") == std::string::npos) {
    if (socket.ended() || Clock::now() > limit) FAIL("no HTTP answer but: ", received);
    socket.read(received, patience);
  }
  return take_head(received);
}

std::vector<std::string> upgrade_headers(std::vector<std::string> headers) {
  headers.insert(headers.end(),
                 {"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="});
  return headers;
}

}  // namespace

double metric_of(const std::string& address, const std::string& name) {
  return metric_in(http(address, "GET /metrics").body, name);
}

double metric_in(const std::string& page, const std::string& name) {
  const std::string text = "\n" + page;
  const std::size_t at = text.find("\n" + name + " ");
  if (at == std::string::npos) FAIL("no metric ", name, " in ", text);
  return std::stod(text.substr(at + name.size() + 2));
}

WireSocket::WireSocket(const std::string& address, int receive_buffer)
    : descriptor_(connect_to(address, receive_buffer)) {}
WireSocket::WireSocket(WireSocket&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      bytes_per_read_(other.bytes_per_read_),
      ended_(other.ended_) {}
WireSocket& WireSocket::operator=(WireSocket&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(bytes_per_read_, other.bytes_per_read_);
  std::swap(ended_, other.ended_);
  return *this;
}
WireSocket::~WireSocket() {
  close();
}

void WireSocket::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

bool WireSocket::read(std::string& into, std::chrono::milliseconds limit) {
  pollfd waiting{descriptor_, POLLIN, 0};
  if (ended_ || poll(&waiting, 1, static_cast<int>(limit.count())) <= 0) return false;
  char bytes[65'536];
  const ssize_t got = recv(descriptor_, bytes, std::min(sizeof bytes, bytes_per_read_), 0);
  if (got <= 0) {
    ended_ = true;
    return false;
  }
  into.append(bytes, static_cast<std::size_t>(got));
  return true;
}

void WireSocket::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  ended_ = true;
}

void WireSocket::cut() {
  const linger at_once{1, 0};
  setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
}

HttpReply http(const std::string& address, const std::string& request,
               const std::vector<std::string>& headers, const std::string& body) {
  WireSocket socket(address);
  std::vector<std::string> lines = headers;
  lines.push_back("Connection: close");
  if (!body.empty() || request.starts_with("POST"))
    lines.push_back("Content-Length: " + std::to_string(body.size()));
  socket.write(request_text(request, lines) + body);
  std::string received;
  HttpReply reply = read_head(socket, received);
  const auto limit = Clock::now() + patience;
  while (!socket.ended()) {
    if (Clock::now() > limit) FAIL("the HTTP answer does not end: ", received);
    socket.read(received, patience);
  }
  reply.body = std::move(received);
  return reply;
}

HttpReply answer_to(WireSocket& socket, std::string_view bytes) {
  socket.write(bytes);
  std::string received;
  HttpReply reply = read_head(socket, received);
  const auto length = reply.headers.find("content-length");
  const std::size_t size = length == reply.headers.end() ? 0 : std::stoul(length->second);
  while (received.size() < size && socket.read(received, patience)) {
  }
  reply.body = std::move(received);
  return reply;
}

HttpReply answer_to(const std::string& address, std::string_view bytes) {
  WireSocket socket(address);
  return answer_to(socket, bytes);
}

WireClient::WireClient(const std::string& address, const std::string& target,
                       const std::vector<std::string>& headers)
    : WireClient(WireSocket(address), target, headers) {}

WireClient::WireClient(WireSocket socket, const std::string& target,
                       const std::vector<std::string>& headers)
    : socket_(std::move(socket)) {
  socket_.write(request_text("GET " + target, upgrade_headers(headers)));
  answer_ = read_head(socket_, received_);
  if (answer_.status != 101) FAIL("no upgrade but ", answer_.status);
}

HttpReply WireClient::upgrade(const std::string& address, const std::string& target,
                              const std::vector<std::string>& headers) {
  return answer_to(address, request_text("GET " + target, upgrade_headers(headers)));
}

void WireClient::send_frame(unsigned opcode, std::string_view payload, bool masked) {
  const std::size_t size = payload.size();
  std::string frame(1, static_cast<char>(0x80U | opcode));
  const unsigned mask_bit = masked ? 0x80U : 0;
  int length_bytes = 0;
  if (size < 126) {
    frame += static_cast<char>(mask_bit | size);
  } else {
    length_bytes = size <= 0xffff ? 2 : 8;
    frame += static_cast<char>(mask_bit | (length_bytes == 2 ? 126U : 127U));
  }
  for (int i = length_bytes - 1; i >= 0; --i) frame += static_cast<char>(size >> (8 * i));
  const std::string_view mask("\x37\xfa\x21\x3d", 4);
  if (masked) frame += mask;
  for (std::size_t i = 0; i < size; ++i)
    frame += masked ? static_cast<char>(payload[i] ^ mask[i % 4]) : payload[i];
  socket_.write(frame);
}

// A whole frame at the front of what was received. Servers do not mask and we ask them for no
// fragments, so both are faults.
std::optional<WireFrame> WireClient::take_frame() {
  const auto byte = [this](std::size_t at) { return static_cast<unsigned char>(received_[at]); };
  if (received_.size() < 2) return std::nullopt;
  if ((byte(0) & 0xf0U) != 0x80U || (byte(1) & 0x80U) != 0) FAIL("a frame that no server sends");
  std::size_t size = byte(1);
  const std::size_t length_bytes = size == 126 ? 2 : size == 127 ? 8 : 0;
  const std::size_t start = 2 + length_bytes;
  if (received_.size() < start) return std::nullopt;
  if (length_bytes > 0) size = 0;
  for (std::size_t i = 0; i < length_bytes; ++i) size = size << 8 | byte(2 + i);
  if (received_.size() < start + size) return std::nullopt;
  WireFrame frame{byte(0) & 0x0fU, received_.substr(start, size)};
  received_.erase(0, start + size);
  return frame;
}

std::optional<WireFrame> WireClient::read_frame(std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  for (;;) {
    if (auto frame = take_frame()) return frame;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (socket_.ended() || left.count() <= 0) return std::nullopt;
    socket_.read(received_, left);
  }
}

std::optional<std::string> WireClient::next_within(std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  while (close_code_ == 0) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    auto frame = read_frame(std::max(left, std::chrono::milliseconds{0}));
    if (!frame) break;
    if (frame->opcode == 1) return std::move(frame->payload);
    if (frame->opcode == 9) {
      ++pings_;
      if (answers_pings) send_frame(10, frame->payload);
    } else if (frame->opcode == 8) {
      const std::string& code = frame->payload;
      close_code_ = code.size() < 2
                        ? 1005U
                        : static_cast<unsigned>(static_cast<unsigned char>(code[0])) << 8 |
                              static_cast<unsigned char>(code[1]);
      send_frame(8, code.substr(0, 2));
    }
  }
  return std::nullopt;
}

std::string WireClient::next() {
  auto text = next_within(patience);
  if (!text)
    FAIL("no frame came; ", close_code_ != 0 ? "closed with " : "open, code ", close_code_);
  return std::move(*text);
}

unsigned WireClient::closed() {
  const auto deadline = Clock::now() + patience;
  while (close_code_ == 0 && !socket_.ended()) {
    if (Clock::now() > deadline) FAIL("the connection is still open");
    next_within(std::chrono::milliseconds{100});
  }
  // The server ends the connection first (RFC 6455, 7.1.1), and waits for us to do the same.
  while (socket_.read(received_, std::chrono::milliseconds{1'000})) {
  }
  socket_.close();
  return close_code_ == 0 ? no_close_frame : close_code_;
}

void WireClient::close(unsigned code) {
  const char bytes[2] = {static_cast<char>(code >> 8), static_cast<char>(code)};
  send_frame(8, {bytes, 2});
}

}  // namespace pgtide::test
