#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pgtide/result.hpp"

namespace pgtide {

// A WebSocket client for the terminal (`tail`), tests and benches: blocking, one thread.
class Client {
 public:
  // `url`: "ws://host:port/realtime/subscribe". ErrorKind::unavailable where nobody answers,
  // denied on 401/403 (the server's own message), invalid for a URL that is none. `token` goes into
  // the Authorization header; empty: anonymous.
  static Result<Client> connect(const std::string& url,
                                std::chrono::milliseconds timeout = std::chrono::seconds{10},
                                const std::string& token = {});
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  Result<void> send(std::string_view text);
  // The next text frame; none when `timeout` passed. ErrorKind::unavailable when the connection is
  // over; close_code() then says how.
  Result<std::optional<std::string>> receive(std::chrono::milliseconds timeout);
  std::optional<unsigned> close_code() const;
  // Wakes a receive() that waits, from a signal handler or another thread: it returns none.
  void interrupt();
  void close();

 private:
  struct State;
  explicit Client(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// One plain HTTP request (CLI, tests), on a connection of its own. `token`: as for Client::connect.
struct HttpAnswer {
  unsigned status = 0;
  std::string body{};
  std::string content_type{};
};
Result<HttpAnswer> http_request(const std::string& method, const std::string& url,
                                const std::string& body = {}, const std::string& token = {});

}  // namespace pgtide
