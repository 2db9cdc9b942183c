#pragma once
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Clients for tests that see the bytes: written from RFC 6455 and RFC 9112, not with the library
// that the gateway uses, so that both sides cannot share one mistake. Blocking, one thread.
// Whatever goes wrong fails the test, and so does waiting for longer than ten seconds.
namespace pgtide::test {

inline constexpr std::chrono::milliseconds patience{30'000};

struct HttpReply {
  int status = 0;
  std::map<std::string, std::string> headers{};  // names in lower case
  std::string body{};
};

// One request, on a connection of its own. `request`: "GET /healthz". `headers` are whole lines; a
// Host line is added where none is among them.
HttpReply http(const std::string& address, const std::string& request,
               const std::vector<std::string>& headers = {}, const std::string& body = {});

// The value of a line of /metrics; fails the test where it is missing.
double metric_of(const std::string& address, const std::string& name);
double metric_in(const std::string& page, const std::string& name);


// A TCP connection to "127.0.0.1:8080" or "[::1]:8080".
class WireSocket {
 public:
  // `receive_buffer` 0: what the system gives.
  explicit WireSocket(const std::string& address, int receive_buffer = 0);
  WireSocket(WireSocket&&) noexcept;
  WireSocket& operator=(WireSocket&&) noexcept;
  ~WireSocket();

  void write(std::string_view bytes);  // what the peer no longer takes is dropped
  // Appends what arrives. False when nothing came within `limit`; sets `ended` at the stream's end.
  bool read(std::string& into, std::chrono::milliseconds limit);
  bool ended() const { return ended_; }
  int native() const { return descriptor_; }
  void read_at_most(std::size_t bytes) { bytes_per_read_ = bytes; }  // at a time
  void close();
  void cut();  // closes with a reset, as when a machine dies

 private:
  int descriptor_ = -1;
  std::size_t bytes_per_read_ = 65'536;
  bool ended_ = false;
};

// What these very bytes are answered with.
HttpReply answer_to(WireSocket& socket, std::string_view bytes);
HttpReply answer_to(const std::string& address, std::string_view bytes);

struct WireFrame {
  unsigned opcode = 0;  // RFC 6455, 5.2: 1 text, 2 binary, 8 close, 9 ping, 10 pong
  std::string payload{};
};

class WireClient {
 public:
  static constexpr unsigned no_close_frame = 1006;  // RFC 6455, 7.1.5

  // Upgrades at `target`, with these header lines more. An answer that is not 101 fails the test.
  explicit WireClient(const std::string& address, const std::string& target = "/realtime/subscribe",
                      const std::vector<std::string>& headers = {});
  explicit WireClient(WireSocket socket, const std::string& target = "/realtime/subscribe",
                      const std::vector<std::string>& headers = {});

  // What an upgrade is answered with, whatever it is.
  static HttpReply upgrade(const std::string& address, const std::string& target,
                           const std::vector<std::string>& headers = {});

  void send(std::string_view text) { send_frame(1, text); }
  void send_bytes(std::string_view bytes) { socket_.write(bytes); }
  // `masked` false breaks the protocol, as a test may want to.
  void send_frame(unsigned opcode, std::string_view payload, bool masked = true);

  // The next frame of any kind; none: the connection is over, or nothing came.
  std::optional<WireFrame> next_frame() { return read_frame(patience); }
  // The next text frame. Pings on the way are answered, unless `answers_pings` is false.
  std::string next();
  // The same, or none when it takes longer or the connection is over.
  std::optional<std::string> next_within(std::chrono::milliseconds limit);
  // Reads until the connection is over, closes it and returns its close code.
  unsigned closed();

  void close(unsigned code = 1000);  // sends the close frame; closed() then waits for the answer
  void cut() { socket_.cut(); }
  const WireSocket& socket() const { return socket_; }
  WireSocket& socket() { return socket_; }

  const HttpReply& answer() const { return answer_; }
  int pings() const { return pings_; }
  bool answers_pings = true;

 private:
  std::optional<WireFrame> read_frame(std::chrono::milliseconds limit);
  std::optional<WireFrame> take_frame();

  WireSocket socket_;
  HttpReply answer_{};
  std::string received_{};
  int pings_ = 0;
  unsigned close_code_ = 0;
};

}  // namespace pgtide::test
