#pragma once
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "broker/outbox.hpp"
#include "gateway/frame_counter.hpp"
#include "gateway/read_rate.hpp"
#include "gateway/traffic.hpp"

namespace pgtide {

using Executor = boost::asio::io_context::executor_type;
using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Executor>;

// What a Wire tells the session that owns it.
class WireOwner {
 public:
  virtual ~WireOwner() = default;
  virtual std::shared_ptr<WireOwner> keep() = 0;  // held while the wire waits for its socket
  virtual void on_broken() = 0;         // the socket took no more; the wire is cut
  virtual void on_drained() = 0;        // nothing waits any more
  virtual void on_close_frame(unsigned code) = 0;  // the WebSocket layer is about to send one
  virtual std::string on_recovered() = 0;  // after a fall: what is to be said, as frames
  virtual void on_unread_over() = 0;  // MemoryAccount::unread_over(), and some of it is its own
};

struct WireLimits {
  std::size_t backlog_bytes = 0;
  std::size_t reply_bytes = 0;
  double frames_per_second = 0;
  MemoryAccount* memory = nullptr;
};

// The stream below the WebSocket layer, and the one place where a connection's bytes leave.
//
// Beast wants a stream for handshake, reading, pong and close. Events must not go through its
// writes: they are ready frames, shared by a thousand connections, and one direct send() of them
// costs a tenth of a queued asynchronous write (ARCHITECTURE, "Write in bulk"). So both ways end
// in one Outbox, which knows where frames end, and pump() is its only reader: it sends until the
// socket takes no more, then waits for writability. What Beast writes is a control frame there: it
// may overtake whole frames and cuts none. After a close frame nothing more goes out.
//
// The same for reading: every read of Beast's comes through here, so this is where bytes and
// frames are counted and where reading waits, when a client sends too fast or does not fetch its
// replies. (Rejected: waiting between messages. A flood of pings or of empty fragments is no
// message, and Beast answers it inside one read.)
// Owned by its shard's thread.
class Wire {
 public:
  using executor_type = Executor;
  using Clock = std::chrono::steady_clock;

  // `leftover`: what was read from the socket past the handshake's request.
  Wire(Socket socket, std::string leftover, WireLimits limits, Traffic& traffic);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  void set_owner(WireOwner& owner) { owner_ = &owner; }
  executor_type get_executor() { return socket_.get_executor(); }
  Socket& socket() { return socket_; }

  // Events; nothing where the connection is behind or makes itself so.
  void send_run(const SharedRun& run);
  // Whole text frames that are never dropped.
  void send_reply(std::string frames);
  // An empty ping; not a second one while the first waits.
  void send_ping();

  // Falls behind now; false where no event waits.
  bool drop_backlog();
  // What that would give back; writes it into the ledger of backlogs.
  std::size_t weigh_backlog();
  // Closes the socket; what waits is dropped. No call of its owner comes after it.
  void cut();
  // The same, and the owner hears on_broken() from the loop.
  void break_off();
  bool open() const { return open_; }
  bool drained() const { return outbox_.empty() && !outbox_.behind(); }
  bool behind() const { return outbox_.behind(); }
  // Reads on, whatever waits: to find the peer's close frame.
  void stop_gating_replies();

  std::uint64_t bytes_received() const { return bytes_received_; }
  // Has the peer sent what was not read yet?
  bool has_input() const;
  // Bytes that the peer's system has not acknowledged, and all that it has.
  std::size_t bytes_unacknowledged() const;
  std::uint64_t bytes_acknowledged() const;
  // Events that were sent or wait, and the bytes of those that wait.
  std::uint64_t events_sent() const { return events_given_ - outbox_.dropped_events(); }
  std::size_t backlog_bytes() const { return outbox_.backlog_bytes(); }
  std::size_t unread_bytes() const { return outbox_.unread_bytes(); }
  std::size_t bytes_waiting() const { return outbox_.backlog_bytes() + outbox_.reply_bytes(); }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token);
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token);

 private:
  using ErrorCode = boost::system::error_code;
  using GateTimer = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>,
                                                      Executor>;
  struct PendingWrite {
    virtual ~PendingWrite() = default;
    virtual void complete(ErrorCode error, std::size_t bytes) = 0;
  };
  template <class Then>
  struct PendingWriteOf;
  template <class Buffers>
  struct ReadOperation;

  static constexpr std::size_t ping_ticket = 1;
  static constexpr std::size_t write_ticket = 2;
  static constexpr std::size_t close_ticket = 3;

  void begin_write(std::unique_ptr<PendingWrite> pending, std::string bytes);
  void finish_write(ErrorCode error);
  void pump();
  void send_front();
  void look_at_unread();
  void take_ticket(std::size_t ticket);
  void wait_writable();
  void account();
  bool gate_shut();
  void received(const char* bytes, std::size_t size);

  Socket socket_;
  std::string leftover_;
  WireLimits limits_;
  Traffic& traffic_;
  WireOwner* owner_ = nullptr;
  Outbox outbox_;
  GateTimer gate_;
  std::unique_ptr<PendingWrite> pending_write_;
  std::size_t pending_bytes_ = 0;
  FrameCounter frames_;
  ReadRate rate_;
  std::uint64_t bytes_received_ = 0;
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t events_given_ = 0;   // those that were dropped as well
  std::size_t counted_backlog_ = 0;  // what account() has told `traffic_`
  std::size_t counted_dropped_ = 0;
  MemoryCharge leftover_charge_;
  MemoryCharge queue_charge_;
  MemoryCharge reply_charge_;
  SizeEntry backlog_entry_;
  SizeEntry unread_entry_;
  bool counted_behind_ = false;
  bool open_ = true;
  bool waiting_ = false;    // for writability
  bool finished_ = false;   // the close frame is out
  bool ping_waits_ = false;
  bool replies_gated_ = false;
  bool gating_replies_ = true;
};

}  // namespace pgtide

#include "gateway/wire_stream.hpp"
