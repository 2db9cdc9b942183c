#include "support/crowd.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "support/socket.hpp"

namespace pgtide::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds refill_interval{10};
constexpr std::size_t steps_per_refill = Crowd::steps_per_second_max / 100;

sockaddr_in target_of(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<std::uint16_t>(std::atoi(address.c_str() + colon + 1)));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &peer.sin_addr);
  return peer;
}

// 127.1.0.1 and up: never the healthy readers'.
sockaddr_in source_of(std::size_t number) {
  sockaddr_in source{};
  source.sin_family = AF_INET;
  source.sin_addr.s_addr = htonl(0x7f010001 + static_cast<std::uint32_t>(number));
  return source;
}

// Without TIME_WAIT, of which there would be too many.
void close_at_once(int socket) {
  const linger none{1, 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  close(socket);
}

}  // namespace

Crowd::Crowd(Plan plan, Mischief mischief)
    : plan_(std::move(plan)),
      mischief_(std::move(mischief)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      connections_(plan_.connections) {
  for (std::size_t i = 0; i < connections_.size(); ++i) due_.push_back(i);
  thread_ = std::thread([this] { run(); });
}

Crowd::~Crowd() {
  stopping_ = true;
  thread_.join();
  for (const Connection& connection : connections_) {
    if (connection.socket >= 0) close_at_once(connection.socket);
  }
  close(epoll_);
}

bool Crowd::may_step() {
  const auto now = steady_clock::now();
  if (now - refilled_at_ >= refill_interval) {
    refilled_at_ = now;
    steps_left_ = steps_per_refill;
  }
  if (steps_left_ == 0) return false;
  --steps_left_;
  ++steps_;
  return true;
}

void Crowd::run() {
  std::array<epoll_event, 256> ready;
  while (!stopping_) {
    while (!due_.empty() && may_step()) {
      const std::size_t number = due_.back();
      due_.pop_back();
      connections_[number].socket < 0 ? open(number) : go_on(number);
    }
    const int count = epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()),
                                 due_.empty() ? 50 : 1);
    for (int i = 0; i < count; ++i) {
      const auto& event = ready[static_cast<std::size_t>(i)];
      step(event.data.u64, event.events);
    }
  }
}

void Crowd::watch(std::size_t number, int operation) const {
  const Connection& connection = connections_[number];
  epoll_event wanted{};
  wanted.events = EPOLLIN;
  if (!connection.unsent.empty() || !mischief_.opening) wanted.events |= EPOLLOUT;
  wanted.data.u64 = number;
  epoll_ctl(epoll_, operation, connection.socket, &wanted);
}

void Crowd::open(std::size_t number) {
  Connection& connection = connections_[number];
  connection.socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (connection.socket < 0) fail("socket");
  const int on = 1;
  setsockopt(connection.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(connection.socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  const sockaddr_in source = source_of(plan_.many_addresses ? number : 0);
  if (bind(connection.socket, reinterpret_cast<const sockaddr*>(&source), sizeof source) != 0) {
    fail("bind");
  }
  const sockaddr_in peer = target_of(plan_.address);
  if (connect(connection.socket, reinterpret_cast<const sockaddr*>(&peer), sizeof peer) != 0 &&
      errno != EINPROGRESS) {
    return come_again(number);
  }
  if (mischief_.opening) connection.unsent = mischief_.opening();
  watch(number, EPOLL_CTL_ADD);
}

void Crowd::come_again(std::size_t number) {
  close_at_once(std::exchange(connections_[number].socket, -1));
  connections_[number].unsent.clear();
  due_.push_back(number);
}

void Crowd::step(std::size_t number, unsigned events) {
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return come_again(number);
  if ((events & EPOLLIN) != 0) {
    std::array<char, 65'536> ignored;
    const ssize_t got = recv(connections_[number].socket, ignored.data(), ignored.size(), 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0 || !mischief_.next) return come_again(number);
    due_.push_back(number);
  }
  if ((events & EPOLLOUT) != 0) send_rest(number);
}

void Crowd::go_on(std::size_t number) {
  Connection& connection = connections_[number];
  if (!connection.unsent.empty()) return;
  connection.unsent = mischief_.next();
  send_rest(number);
}

void Crowd::send_rest(std::size_t number) {
  Connection& connection = connections_[number];
  if (!mischief_.opening) return come_again(number);
  const ssize_t sent = send(connection.socket, connection.unsent.data(), connection.unsent.size(),
                            MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && errno != EAGAIN) return come_again(number);
  if (sent > 0) connection.unsent.erase(0, static_cast<std::size_t>(sent));
  watch(number, EPOLL_CTL_MOD);
}

}  // namespace pgtide::bench
