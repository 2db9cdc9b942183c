#include "gateway/wire.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "pgtide/result.hpp"

namespace pgtide {
namespace {

constexpr std::string_view ping_frame("\x89\x00", 2);
// A client that lets as many times limits.reply_bytes of replies wait, of which notices come
// unasked, will not read them: it is cut off.
constexpr std::size_t unread_replies_max = 16;
constexpr char close_frame_start = '\x88';

// What a close frame of ours says; 0: nothing (RFC 6455, 5.5.1).
unsigned code_of(std::string_view frame) {
  if (frame.size() < 4) return 0;
  return static_cast<unsigned>(static_cast<unsigned char>(frame[2])) << 8 |
         static_cast<unsigned char>(frame[3]);
}

}  // namespace

Wire::Wire(Socket socket, std::string leftover, WireLimits limits, Traffic& traffic)
    : socket_(std::move(socket)),
      leftover_(std::move(leftover)),
      limits_(limits),
      traffic_(traffic),
      outbox_(limits.backlog_bytes),
      gate_(socket_.get_executor()),
      rate_(limits.frames_per_second, Clock::now()),
      leftover_charge_(limits.memory, MemoryKind::connections, leftover_.capacity()),
      queue_charge_(limits.memory, MemoryKind::backlogs),
      reply_charge_(limits.memory, MemoryKind::replies),
      backlog_entry_(limits.memory != nullptr ? &limits.memory->backlog_sizes() : nullptr),
      unread_entry_(limits.memory != nullptr ? &limits.memory->unread_sizes() : nullptr) {}

Wire::~Wire() { cut(); }

void Wire::send_run(const SharedRun& run) {
  if (!open_ || finished_) return;
  events_given_ += run->events;
  outbox_.push_run(run);
  pump();
  look_at_unread();
}

void Wire::send_reply(std::string frames) {
  if (!open_ || finished_ || frames.empty()) return;
  outbox_.push_reply(std::move(frames));
  pump();
  if (open_ && outbox_.reply_bytes() > unread_replies_max * limits_.reply_bytes) break_off();
  look_at_unread();
}

void Wire::look_at_unread() {
  if (!open_ || outbox_.unread_bytes() == 0 || limits_.memory == nullptr) return;
  if (limits_.memory->unread_over()) owner_->on_unread_over();
}

void Wire::send_ping() {
  if (!open_ || finished_ || ping_waits_) return;
  ping_waits_ = true;
  outbox_.push_control(std::string(ping_frame), ping_ticket);
  pump();
}

void Wire::begin_write(std::unique_ptr<PendingWrite> pending, std::string bytes) {
  PGTIDE_ASSERT(!pending_write_);  // the WebSocket layer has one write at a time
  pending_write_ = std::move(pending);
  pending_bytes_ = bytes.size();
  if (!open_ || finished_) return finish_write(boost::asio::error::operation_aborted);
  const bool closes = bytes.front() == close_frame_start;
  if (closes) owner_->on_close_frame(code_of(bytes));
  outbox_.push_control(std::move(bytes), closes ? close_ticket : write_ticket);
  pump();
}

void Wire::finish_write(ErrorCode error) {
  const auto pending = std::move(pending_write_);
  if (pending) pending->complete(error, error ? 0 : pending_bytes_);
}

void Wire::take_ticket(std::size_t ticket) {
  if (ticket == ping_ticket) ping_waits_ = false;
  if (ticket == close_ticket) finished_ = true;
  if (ticket == write_ticket || ticket == close_ticket) finish_write({});
}

// Sends until nothing waits or the socket takes no more.
void Wire::pump() {
  while (open_ && !waiting_ && !finished_) {
    // Not before the socket has drained: one that still waits would fall behind again at once.
    if (outbox_.take_recovered()) outbox_.push_reply(owner_->on_recovered());
    if (outbox_.empty()) break;
    send_front();
  }
  if (!open_) return;
  account();
  if (replies_gated_ && outbox_.reply_bytes() == 0) {
    replies_gated_ = false;
    gate_.cancel();
  }
  if (drained()) owner_->on_drained();
}

// An error cuts the wire and is told later, from the loop: the caller may be in the midst of a
// broadcast.
void Wire::send_front() {
  const auto bytes = outbox_.front();
  const auto sent =
      ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ++traffic_.counters.sends;
  if (sent >= 0) {
    bytes_sent_ += static_cast<std::uint64_t>(sent);
    traffic_.counters.bytes_sent += static_cast<std::uint64_t>(sent);
    take_ticket(outbox_.consume(static_cast<std::size_t>(sent)));
  } else if (errno == EAGAIN) {
    wait_writable();
  } else if (errno != EINTR) {
    break_off();
  }
}

void Wire::break_off() {
  cut();
  boost::asio::post(get_executor(), [keep = owner_->keep()] { keep->on_broken(); });
}

void Wire::wait_writable() {
  waiting_ = true;
  socket_.async_wait(Socket::wait_write,
                     [this, keep = owner_->keep()](ErrorCode) {
                       waiting_ = false;
                       pump();
                     });
}

void Wire::account() {
  auto& counters = traffic_.counters;
  queue_charge_.set(open_ ? outbox_.queue_bytes() : 0);
  const auto unread = open_ ? outbox_.unread_bytes() : 0;
  reply_charge_.set(unread);
  unread_entry_.set(unread);
  const auto backlog = open_ ? outbox_.backlog_bytes() : 0;
  if (backlog == 0) backlog_entry_.set(0);
  traffic_.change_backlog(std::exchange(counted_backlog_, backlog), backlog);
  const auto dropped = outbox_.dropped_events();
  counters.events_dropped += dropped - counted_dropped_;
  counted_dropped_ = dropped;
  if (outbox_.behind() && !counted_behind_) ++counters.fell_behind;
  counted_behind_ = outbox_.behind();
}

bool Wire::drop_backlog() {
  if (!open_ || !outbox_.give_up_backlog()) return false;
  account();
  backlog_entry_.set(0);
  return true;
}

std::size_t Wire::weigh_backlog() {
  const std::size_t bytes = open_ && !outbox_.behind() ? outbox_.shed_bytes() : 0;
  backlog_entry_.set(bytes);
  return bytes;
}

void Wire::cut() {
  if (!open_) return;
  open_ = false;
  account();
  ErrorCode ignored;
  socket_.close(ignored);
  gate_.cancel();
  finish_write(boost::asio::error::operation_aborted);
}

void Wire::stop_gating_replies() {
  gating_replies_ = false;
  replies_gated_ = false;
  gate_.cancel();
}

bool Wire::has_input() const {
  int bytes = 0;
  auto& socket = const_cast<Socket&>(socket_);
  return open_ && ::ioctl(socket.native_handle(), FIONREAD, &bytes) == 0 && bytes > 0;
}

std::size_t Wire::bytes_unacknowledged() const {
  int bytes = 0;
  auto& socket = const_cast<Socket&>(socket_);
  if (!open_ || ::ioctl(socket.native_handle(), SIOCOUTQ, &bytes) != 0) return 0;
  return static_cast<std::size_t>(bytes);
}

std::uint64_t Wire::bytes_acknowledged() const { return bytes_sent_ - bytes_unacknowledged(); }

// May nothing be read now? Sets the timer that the reader then waits for.
bool Wire::gate_shut() {
  const auto wait = rate_.wait(Clock::now());
  if (wait.count() > 0) {
    gate_.expires_after(std::chrono::ceil<std::chrono::milliseconds>(wait));
    return true;
  }
  replies_gated_ = gating_replies_ && outbox_.reply_bytes() > limits_.reply_bytes;
  if (replies_gated_) gate_.expires_at(Clock::time_point::max());
  return replies_gated_;
}

void Wire::received(const char* bytes, std::size_t size) {
  bytes_received_ += size;
  traffic_.counters.bytes_received += size;
  if (limits_.frames_per_second > 0) rate_.charge(frames_.count({bytes, size}), size);
}

}  // namespace pgtide
