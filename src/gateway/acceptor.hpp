#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "pgtide/result.hpp"

namespace boost::asio {
class io_context;
}

namespace pgtide {

// Can one listen there: is it an IP address, or localhost?
bool is_listening_address(const std::string& host);

// The address of an accepted socket's peer, without a port; empty: it is gone.
std::string find_peer(int native_socket);

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

  // `take` gets each accepted native socket and owns it: at most so many a second (0: no limit),
  // and a few at a time, so that whoever else the thread serves has his turn between them. Further
  // ones wait in the system's queue, in the order in which they came. `on_shortage` is called each
  // time that the system has no descriptor or no memory for one.
  void start(std::function<void(int)> take, std::function<void()> on_shortage = {},
             double per_second = 0);
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
