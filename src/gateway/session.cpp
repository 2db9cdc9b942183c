#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <optional>
#include <utility>

#include "gateway/connection_id.hpp"
#include "gateway/credential_clock.hpp"
#include "gateway/credentials.hpp"
#include "gateway/handshake.hpp"
#include "gateway/heartbeat.hpp"
#include "gateway/incoming_message.hpp"
#include "gateway/stream_end.hpp"
#include "model/frame.hpp"
#include "model/server_message.hpp"

// One WebSocket, from its handshake to its end. The only file with WebSocket operations: Beast's
// stream over a Wire (wire.hpp says why) takes a quarter of a minute to compile.
//
// A session is accepting, then live, then closing, then ended, and never goes back:
//   accepting  Beast answers the handshake; the handshake's time limit runs
//   live       the broker knows it; one read is always under way
//   closing    messages are read and ignored, what is queued goes out, then the close frame; a
//              time limit runs, after which the close frame is tried in any case, and then the
//              socket is cut
//   ended      the socket is closed, broker and operator are told: once, in end()
namespace pgtide {
namespace {

namespace beast = boost::beast;
namespace websocket = beast::websocket;
using ErrorCode = boost::system::error_code;

// How long a closing connection may take to fetch what is queued, and then to answer the close
// frame. A peer within reach needs a round trip.
constexpr std::chrono::milliseconds close_wait{2'000};
// A connection without backlog and subscriptions: this, Beast's and the broker's part.
constexpr std::size_t connection_bytes = 8'192;

class WebSocketSession final : public Session,
                               public WireOwner,
                               public std::enable_shared_from_this<WebSocketSession> {
 public:
  WebSocketSession(std::shared_ptr<GatewayCore> core, Handshake& handshake);

  void start(const Handshake& handshake);
  std::optional<std::size_t> send_run(const SharedRun& run) override;
  void send_reply(std::string frames) override;
  bool is_live() const override { return stage_ == Stage::live; }
  bool stays() const override { return stays_; }
  std::uint64_t events_sent() const override { return wire_.events_sent(); }
  std::size_t backlog_bytes() const override { return wire_.backlog_bytes(); }
  Wire& wire() override { return wire_; }
  bool has_unread() const override { return message_.in_hand() || wire_.has_input(); }
  void close(CloseCode code, std::string_view reason) override;
  void cut_off(std::string_view why) override;
  void drain(SteadyTime until) override;
  void end() override;
  void on_deadline(SteadyTime now) override;
  std::shared_ptr<WireOwner> keep() override { return shared_from_this(); }
  void on_broken() override { end(); }
  void on_drained() override;
  void on_close_frame(unsigned code) override;
  std::string on_recovered() override;
  void on_unread_over() override { core_->relief.cut_off_or_ask(); }
 private:
  enum class Stage { accepting, live, closing, ended };

  std::shared_ptr<WebSocketSession> self() { return shared_from_this(); }
  void arm(SteadyTime due) { core_->deadlines->arm(self(), due); }
  void on_accepted(ErrorCode error);
  void join();
  const ConnectionRecord& record() const { return core_->broker.record(*number_); }
  void read_next();
  void on_read(ErrorCode error, std::size_t bytes);
  void take_message();
  void answer(Reply reply);
  void read_or_go_on();
  void close_by(SteadyTime until, CloseCode code, std::string_view reason);
  void send_close_frame();
  void beat(SteadyTime now);
  void arm_live() { arm(std::min(heartbeat_.due(), credential_clock_.due())); }
  void note_credential();
  bool check_credential(SteadyTime now);

  std::shared_ptr<GatewayCore> core_;
  Wire wire_;
  websocket::stream<Wire&, false> stream_;
  IncomingMessage message_;
  std::string remote_address_;
  std::string address_;
  const bool stays_;
  std::optional<ConnectionNumber> number_{};
  OriginNumber origin_ = ~OriginNumber{0};  // until it joins: of nobody
  Heartbeat heartbeat_;
  CredentialClock credential_clock_{};
  Stage stage_ = Stage::accepting;
  SteadyTime deadline_ = SteadyTime::max();  // of accepting and closing
  CloseCode close_code_ = CloseCode::normal;
  std::string close_reason_{};
  bool close_frame_begun_ = false;
  bool unfinished_ = false;  // the broker has more to say to its message
  bool broken_ = false;  // by frames of the peer that are none
  std::optional<Identity> identity_{};  // until it joins
  std::string bad_credential_;
};

WebSocketSession::WebSocketSession(std::shared_ptr<GatewayCore> core, Handshake& handshake)
    : core_(std::move(core)),
      wire_(std::move(handshake.socket), std::move(handshake.leftover),
            {core_->options.backlog_bytes, core_->options.reply_bytes,
             core_->options.frames_per_second, core_->options.memory},
            core_->traffic),
      stream_(wire_),
      message_(core_->options.memory, connection_bytes),
      remote_address_(handshake.remote_address),
      address_(handshake.address),
      stays_(handshake.stays),
      heartbeat_(core_->options.heartbeat_interval, core_->options.heartbeat_timeout),
      identity_(std::move(handshake.identity)),
      bad_credential_(std::move(handshake.bad_credential)) {
  wire_.set_owner(*this);
}

void WebSocketSession::start(const Handshake& handshake) {
  core_->add(self());
  deadline_ = std::chrono::steady_clock::now() + core_->options.handshake_timeout;
  arm(deadline_);
  stream_.read_message_max(core_->options.message_bytes);
  stream_.set_option(websocket::stream_base::decorator(
      [subprotocol = handshake.answer_subprotocol](websocket::response_type& response) {
        response.set(beast::http::field::server, "pgtide/" PGTIDE_VERSION);
        if (subprotocol) response.set(beast::http::field::sec_websocket_protocol, "pgtide");
      }));
  stream_.async_accept(handshake.request,
                       [session = self()](ErrorCode error) { session->on_accepted(error); });
}

void WebSocketSession::on_accepted(ErrorCode error) {
  if (stage_ != Stage::accepting) return;
  if (error) {
    ++core_->traffic.counters.handshakes_refused;
    return end();
  }
  deadline_ = SteadyTime::max();
  stage_ = Stage::live;
  if (bad_credential_.empty()) bad_credential_ = find_ended(identity_, core_->routes);
  if (!bad_credential_.empty()) {
    ++core_->traffic.counters.handshakes_refused;
    ++core_->traffic.counters.tokens_refused;
    wire_.send_reply(make_text_frame(
        error_message({.code = WireCode::invalid_token, .message = bad_credential_})));
    core_->log.refused(address_, "close code 4401", bad_credential_);
    close(CloseCode::bad_credential, "invalid_token");
  } else {
    join();
  }
  read_next();
}

void WebSocketSession::join() {
  const auto now = std::chrono::steady_clock::now();
  ConnectionRecord record{.id = make_connection_id(),
                          .remote_address = std::move(remote_address_),
                          .connected_at = std::chrono::system_clock::now()};
  if (identity_) {
    record.take(std::move(*identity_));
    identity_.reset();
  }
  auto opened = core_->broker.open(std::move(record), now);
  number_ = opened.number;
  origin_ = core_->broker.origin_of(opened.number);
  core_->seat(opened.number, *this);
  core_->log.opened(core_->broker.record(opened.number));
  ++core_->traffic.counters.connections_opened;
  wire_.send_reply(std::move(opened.frames));
  heartbeat_.start(now);
  note_credential();
  if (core_->draining) close(CloseCode::going_away, "the server restarts");
}

void WebSocketSession::read_next() {
  if (stage_ == Stage::ended) return;
  if (message_.needs_room()) {
    const auto rest = message_.rest_at_most(core_->options.message_bytes);
    const auto bytes = message_.expect(stream_.read_size_hint(rest));
    if (!core_->messages->take({*this, origin_, bytes})) {
      return core_->messages->wait(bytes, [session = self()] { session->read_next(); });
    }
  }
  const auto where = message_.where();
  stream_.async_read_some(where, [session = self()](ErrorCode error, std::size_t bytes) {
    session->message_.came();
    session->core_->after_events(session->origin_,
                                 [session, error, bytes] { session->on_read(error, bytes); });
  });
}

void WebSocketSession::on_read(ErrorCode error, std::size_t bytes) {
  if (stage_ == Stage::ended) return;
  if (error && broken_ && number_) core_->log.broke_protocol(record(), error.message());
  if (error) return end();
  message_.took(bytes);
  if (stream_.is_message_done()) {
    if (stage_ == Stage::live) take_message();
    message_.forget();
    core_->messages->give_back(*this);
  }
  read_or_go_on();
}

// A message that asks for much is answered in pieces, and nothing is read until it is.
void WebSocketSession::read_or_go_on() {
  if (!unfinished_ || stage_ != Stage::live) return read_next();
  core_->in_turn(origin_, [session = self()] {
    auto& broker = session->core_->broker;
    const auto now = std::chrono::steady_clock::now();
    if (session->stage_ == Stage::live) session->answer(broker.go_on(*session->number_, now));
    session->read_or_go_on();
  });
}

void WebSocketSession::take_message() {
  if (!stream_.got_text()) return close(CloseCode::unsupported, "text frames only");
  answer(core_->broker.receive(*number_, message_.text(), std::chrono::steady_clock::now()));
}

void WebSocketSession::answer(Reply reply) {
  unfinished_ = reply.unfinished;
  core_->log.answered(record(), message_.text().size(), reply.frames);
  wire_.send_reply(std::move(reply.frames));
  if (reply.authenticated) note_credential();
  if (reply.close) close(*reply.close, "too many refused requests");
}

// The broker has a new user for this connection, or none yet.
void WebSocketSession::note_credential() {
  const auto now = std::chrono::steady_clock::now();
  if (!record().user && core_->options.auth_required) {
    credential_clock_.await(now + core_->options.handshake_timeout);
    return arm_live();
  }
  std::optional<SteadyTime> ends;
  if (record().expires_at != ConnectionRecord::never) {
    ends = now + (record().expires_at - std::chrono::system_clock::now());
  }
  credential_clock_.accept(ends, core_->options.leeway);
  arm_live();
}

// False where the connection ends.
bool WebSocketSession::check_credential(SteadyTime now) {
  const bool anonymous = !record().user;
  switch (credential_clock_.step(now)) {
    case CredentialClock::Step::tell:
      ++core_->traffic.counters.tokens_expired;
      wire_.send_reply(make_text_frame(error_message(
          {.code = WireCode::token_expired,
           .message = "the token has expired: send auth with a new one, or this ends"})));
      break;
    case CredentialClock::Step::end:
      close(CloseCode::bad_credential, anonymous ? "unauthenticated" : "token_expired");
      return false;
    case CredentialClock::Step::wait:
      break;
  }
  return stage_ == Stage::live;
}

std::optional<std::size_t> WebSocketSession::send_run(const SharedRun& run) {
  if (stage_ != Stage::live) return std::nullopt;
  const bool was_behind = wire_.behind();
  wire_.send_run(run);
  if (stage_ != Stage::live) return std::nullopt;  // the socket was broken
  if (!was_behind && wire_.behind()) {
    core_->log.fell_behind(record(), core_->options.backlog_bytes);
  } else if (!was_behind && ConnectionLog::follows()) {
    core_->log.sent(record(), *run, wire_.backlog_bytes());
  }
  if (wire_.behind() || !wire_.open()) return std::nullopt;
  return wire_.backlog_bytes();
}

void WebSocketSession::send_reply(std::string frames) {
  if (stage_ == Stage::live) wire_.send_reply(std::move(frames));
}

std::string WebSocketSession::on_recovered() {
  return make_text_frame(resync_message("", ResyncReason::fell_behind));
}

void WebSocketSession::close(CloseCode code, std::string_view reason) {
  close_by(std::chrono::steady_clock::now() + close_wait, code, reason);
}

void WebSocketSession::cut_off(std::string_view why) {
  if (number_) core_->log.cut_off(record(), why);
  end();
}

void WebSocketSession::drain(SteadyTime until) {
  if (stage_ == Stage::accepting) return end();
  const auto left = until - std::chrono::steady_clock::now();
  const auto for_closing = std::min<SteadyTime::duration>(close_wait, left / 4);
  close_by(until - for_closing, CloseCode::going_away, "the server restarts");
}

void WebSocketSession::close_by(SteadyTime until, CloseCode code, std::string_view reason) {
  if (stage_ != Stage::live) return;
  stage_ = Stage::closing;
  ++core_->traffic.counters.closes[code];
  if (number_ && code != CloseCode::going_away) core_->log.closed(record(), code, reason);
  close_code_ = code;
  close_reason_ = std::string(reason);
  deadline_ = until;
  arm(deadline_);
  wire_.stop_gating_replies();
  if (wire_.drained()) send_close_frame();
}

void WebSocketSession::on_drained() {
  if (stage_ == Stage::closing) send_close_frame();
}

void WebSocketSession::send_close_frame() {
  if (std::exchange(close_frame_begun_, true)) return;
  deadline_ = std::chrono::steady_clock::now() + close_wait;
  arm(deadline_);
  const websocket::close_reason reason(static_cast<websocket::close_code>(close_code_),
                                       close_reason_);
  stream_.async_close(reason, [session = self()](ErrorCode) { session->end(); });
}

// Ours, or the WebSocket layer's answer to the peer's or to a broken frame.
void WebSocketSession::on_close_frame(unsigned code) {
  if (stage_ == Stage::ended) return;
  // The peer's own close, which is answered in kind, has left its reason in the stream.
  const bool answers = stream_.reason().code != websocket::close_code::none;
  broken_ = stage_ == Stage::live && !answers;
  if (broken_) ++core_->traffic.counters.closes[static_cast<CloseCode>(code)];
  stage_ = Stage::closing;
  close_frame_begun_ = true;
  wire_.stop_gating_replies();
  deadline_ = std::chrono::steady_clock::now() + close_wait;
  arm(deadline_);
}

void WebSocketSession::on_deadline(SteadyTime now) {
  if (stage_ == Stage::ended) return;
  if (stage_ == Stage::live) return beat(now);
  if (now < deadline_) return arm(deadline_);
  if (stage_ == Stage::accepting || close_frame_begun_) return end();
  send_close_frame();
}

void WebSocketSession::beat(SteadyTime now) {
  if (!check_credential(now)) return;
  const Heartbeat::Signs signs{.received = wire_.bytes_received(),
                               .acknowledged = wire_.bytes_acknowledged(),
                               .queued = wire_.bytes_unacknowledged() + wire_.bytes_waiting()};
  switch (heartbeat_.step(now, signs)) {
    case Heartbeat::Step::lost:
      ++core_->traffic.counters.heartbeats_lost;
      return close_by(now, CloseCode::heartbeat_lost, "no sign of life");
    case Heartbeat::Step::ping:
      wire_.send_ping();
      // Not to one that is behind: its position is before what was dropped.
      if (stage_ == Stage::live && !wire_.behind()) {
        wire_.send_reply(core_->broker.position_frame(*number_));
      }
      break;
    case Heartbeat::Step::wait:
      break;
  }
  if (stage_ == Stage::live) arm_live();
}

void WebSocketSession::end() {
  if (stage_ == Stage::ended) return;
  stage_ = Stage::ended;
  wire_.cut();
  core_->messages->give_back(*this);
  if (number_) {
    core_->log.ended(record(), stream_.reason().code);
    core_->unseat(*number_);
    core_->broker.close(*number_);
    ++core_->traffic.counters.connections_closed;
  }
  core_->op.release(address_);
  core_->remove(*this);
}

}  // namespace

void start_session(const std::shared_ptr<GatewayCore>& core, Handshake handshake) {
  // Not make_shared(): the deadline's weak pointer would keep the whole block until it is due.
  std::shared_ptr<WebSocketSession>(new WebSocketSession(core, handshake))->start(handshake);
}

}  // namespace pgtide
