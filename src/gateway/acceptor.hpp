#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "pgtide/result.hpp"

namespace boost::asio {
class io_context;
}

namespace pgtide {

// Can one listen there: is it an IP address, or localhost?
bool is_listening_address(const std::string& host);

// The listening socket; hands each accepted socket out (to a shard). Not SO_REUSEPORT: a port that
// another program has must be an error, not a shared port. Out of file descriptors it waits and
// accepts again later.
class Acceptor {
 public:
  // ErrorKind::invalid for an address that is none, conflict when the port is taken (the message
  // says what to do), denied below 1024 without the right.
  static Result<std::unique_ptr<Acceptor>> listen(boost::asio::io_context& context,
                                                  const std::string& host, std::uint16_t port);
  ~Acceptor();

  struct Reception {
    // Gets each native socket that is served, and owns it; with the peer's address.
    std::function<void(int native, const std::string& peer)> take;
    // By whose turn a peer's sockets are served; none: they are closed unread. Not given: all are
    // of one.
    std::function<std::optional<std::string>(const std::string& peer)> whose{};
    std::function<void()> on_refused{};   // of each that is closed since too many wait
    std::function<void()> on_shortage{};  // each time that the system has no descriptor, no memory
    double per_second = 0;                // served of all; 0: no limit
    std::size_t waiting_max = 10'000;
  };
  // Sockets are accepted and served a few at a time, so that whoever else the thread serves has his
  // turn between them. Those past the rate wait here, by turns of whom they are of: in the system's
  // queue a crowd would stand before everybody.
  void start(Reception reception);
  void stop();
  std::uint16_t port() const;   // the real one where 0 was asked for
  std::string address() const;  // "127.0.0.1:8080", "[::1]:8080"
  bool loopback() const;

 private:
  struct State;
  explicit Acceptor(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace pgtide
