#include "gateway/acceptor.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <optional>
#include <sstream>
#include <utility>

#include "broker/token_bucket.hpp"
#include "gateway/arrivals.hpp"

namespace pgtide {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

using Clock = std::chrono::steady_clock;

// How long no socket is accepted when the system has none to give.
constexpr std::chrono::milliseconds pause_when_out_of_descriptors{100};
// Accepted, and served, in one turn, so that a storm of connections leaves the thread to others;
// and what may be saved up of a second's.
constexpr int sockets_per_turn = 16;
// To accept a socket and close it again costs far less than serving it: so many for each served.
constexpr double accepted_of_served = 16;

Error cannot_listen(const std::string& where, const boost::system::error_code& error) {
  if (error == asio::error::address_in_use) {
    return {ErrorKind::conflict,
            "the port is taken: stop the program that has it, or choose another (server.listen; "
            "port 0 picks a free one)",
            where};
  }
  if (error == asio::error::access_denied) {
    return {ErrorKind::denied,
            "no right to listen there: ports below 1024 need CAP_NET_BIND_SERVICE", where};
  }
  return {ErrorKind::invalid, "cannot listen: " + error.message(), where};
}

std::optional<asio::ip::address> find_address(const std::string& host) {
  if (host == "localhost") return asio::ip::address_v4::loopback();
  boost::system::error_code error;
  const auto address = asio::ip::make_address(host, error);
  if (error) return std::nullopt;
  return address;
}

bool is_out_of_descriptors(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// The address of an accepted socket's peer, without a port; empty: it is gone.
std::string find_peer(int native_socket) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (::getpeername(native_socket, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return {};
  std::array<char, NI_MAXHOST> host{};
  const int failed = ::getnameinfo(reinterpret_cast<const sockaddr*>(&peer), size, host.data(),
                                   host.size(), nullptr, 0, NI_NUMERICHOST);
  return failed == 0 ? std::string(host.data()) : std::string();
}

}  // namespace

bool is_listening_address(const std::string& host) { return find_address(host).has_value(); }

struct Acceptor::State : std::enable_shared_from_this<State> {
  explicit State(asio::io_context& context)
      : acceptor(context), pause(context), serving(context) {}
  ~State() { close_waiting(); }

  void wait() {
    acceptor.async_wait(tcp::acceptor::wait_read,
                        [self = shared_from_this()](boost::system::error_code error) {
                          if (!error) self->accept_some();
                        });
  }

  void accept_some() {
    for (int i = 0; i < sockets_per_turn && acceptor.is_open(); ++i) {
      if (!accepting.take(accept_rate, Clock::now())) {
        accept_later(accepting.wait(accept_rate));
        return serve_some();
      }
      const int native = ::accept4(acceptor.native_handle(), nullptr, nullptr,
                                   SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (native < 0 && errno == EAGAIN) break;
      if (native < 0 && is_out_of_descriptors(errno)) {
        if (!is_anyone_waiting()) break;
        if (arrivals.empty()) return wait_for_descriptors();
        refuse_crowd();
      } else if (native >= 0) {
        enter(native);
      }  // else this one is gone already
    }
    serve_some();
    if (acceptor.is_open()) wait();
  }

  void enter(int native) {
    std::string peer = find_peer(native);
    auto whose = reception.whose ? reception.whose(peer) : std::string();
    if (!whose) {
      ::close(native);
      return;
    }
    arrivals.push(*whose, {native, std::move(peer)});
    if (arrivals.size() > reception.waiting_max) refuse_crowd();
  }

  void refuse_crowd() {
    ::close(arrivals.pop_crowd().native);
    if (reception.on_refused) reception.on_refused();
  }

  void serve_some() {
    for (int i = 0; i < sockets_per_turn && !arrivals.empty() && acceptor.is_open(); ++i) {
      if (!tokens.take(rate, Clock::now())) return serve_later(tokens.wait(rate));
      const Arrivals::Socket next = arrivals.pop();
      const int on = 1;
      ::setsockopt(next.native, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      reception.take(next.native, next.peer);
    }
    if (!arrivals.empty()) serve_later({});
  }

  void serve_later(std::chrono::milliseconds wait) {
    if (serves_later) return;
    serves_later = true;
    serving.expires_after(wait);
    serving.async_wait([self = shared_from_this()](boost::system::error_code error) {
      self->serves_later = false;
      if (!error && self->acceptor.is_open()) self->serve_some();
    });
  }

  void close_waiting() {
    while (!arrivals.empty()) ::close(arrivals.pop().native);
  }

  // Linux looks for a descriptor first: without one it says so though nobody has come.
  bool is_anyone_waiting() {
    pollfd listening{acceptor.native_handle(), POLLIN, 0};
    return ::poll(&listening, 1, 0) > 0;
  }

  void wait_for_descriptors() {
    if (reception.on_shortage) reception.on_shortage();
    accept_later(pause_when_out_of_descriptors);
  }

  void accept_later(std::chrono::milliseconds wait) {
    pause.expires_after(wait);
    pause.async_wait([self = shared_from_this()](boost::system::error_code error) {
      if (!error && self->acceptor.is_open()) self->accept_some();
    });
  }

  tcp::acceptor acceptor;
  asio::steady_timer pause;
  asio::steady_timer serving;
  bool serves_later = false;
  tcp::endpoint endpoint{};
  Arrivals arrivals{};
  TokenRate rate{0, 0};
  Tokens tokens{rate, {}};
  TokenRate accept_rate{0, 0};
  Tokens accepting{accept_rate, {}};
  Reception reception{};
};

Result<std::unique_ptr<Acceptor>> Acceptor::listen(asio::io_context& context,
                                                   const std::string& host, std::uint16_t port) {
  const auto where = host + ":" + std::to_string(port);
  const auto address = find_address(host);
  if (!address) {
    return Error{ErrorKind::invalid, "not an address: write an IP address or localhost", where};
  }
  auto state = std::make_shared<State>(context);
  const tcp::endpoint wanted(*address, port);
  boost::system::error_code error;
  auto& acceptor = state->acceptor;
  acceptor.open(wanted.protocol(), error);
  // Else a program that we or our embedder start would hold the port when we are gone.
  if (!error) ::fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(wanted, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (!error) acceptor.native_non_blocking(true, error);
  if (!error) state->endpoint = acceptor.local_endpoint(error);
  if (error) return cannot_listen(where, error);
  return std::unique_ptr<Acceptor>(new Acceptor(std::move(state)));
}

Acceptor::Acceptor(std::shared_ptr<State> state) : state_(std::move(state)) {}
Acceptor::~Acceptor() { stop(); }

void Acceptor::start(Reception reception) {
  const double per_second = reception.per_second;
  state_->rate = {per_second, std::min<double>(per_second, sockets_per_turn)};
  state_->tokens = {state_->rate, Clock::now()};
  state_->accept_rate = {accepted_of_served * per_second, accepted_of_served * per_second};
  state_->accepting = {state_->accept_rate, Clock::now()};
  state_->reception = std::move(reception);
  state_->wait();
}

void Acceptor::stop() {
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  state_->pause.cancel();
  state_->serving.cancel();
  state_->close_waiting();
}

std::uint16_t Acceptor::port() const { return state_->endpoint.port(); }
std::string Acceptor::address() const {
  std::ostringstream out;
  out << state_->endpoint;
  return out.str();
}
bool Acceptor::loopback() const { return state_->endpoint.address().is_loopback(); }

}  // namespace pgtide
