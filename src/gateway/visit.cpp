#include <array>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <optional>
#include <utility>

#include "broker/token_bucket.hpp"
#include "gateway/broadcast_body.hpp"
#include "gateway/core.hpp"
#include "gateway/handshake.hpp"
#include "gateway/head_reader.hpp"
#include "gateway/http_replies.hpp"
#include "gateway/peer_address.hpp"
#include "gateway/request_head.hpp"

// An accepted socket before it is a WebSocket: HTTP/1.1 with keep-alive. A visit reads a request's
// head, lets choose_route() decide by it, and reads a body only for who may broadcast; so nobody
// else can make it hold more than a head. A timer bounds every read and write.
namespace pgtide {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using ErrorCode = boost::system::error_code;

// What a visit takes beside the head that it reads: this object, its socket and its parser.
constexpr std::size_t visit_bytes = 4'096;
// How long a client that was refused may go on sending before it is cut off, and how much.
constexpr std::chrono::milliseconds linger_time{2'000};
constexpr std::size_t linger_bytes_max = 1'048'576;
// How many seconds' requests a connection may send at once.
constexpr double burst_seconds = 5;
// How long a refused one waits for its 429: a crowd could else come back for it at once.
constexpr std::chrono::milliseconds refusal_delay{1'000};

class Visit final : public Guest, public std::enable_shared_from_this<Visit> {
 public:
  Visit(std::shared_ptr<GatewayCore> core, Socket socket, Arrival arrival)
      : core_(std::move(core)),
        socket_(std::move(socket)),
        arrival_(std::move(arrival)),
        head_(core_->options.memory),
        held_(core_->options.memory, MemoryKind::connections, visit_bytes),
        bucket_(core_->options.http_requests_per_second,
                core_->options.http_requests_per_second * burst_seconds,
                std::chrono::steady_clock::now()) {}

  void start();
  void drain(SteadyTime until) override;
  void end() override;
  void on_deadline(SteadyTime now) override;

 private:
  std::shared_ptr<Visit> self() { return shared_from_this(); }
  void within(std::chrono::milliseconds time);
  bool may_ask_again() const;
  void wake();
  void expire();
  void read_head();
  void read_more();
  void on_bytes(ErrorCode error, std::size_t bytes);
  void on_head(ErrorCode error);
  std::optional<std::chrono::milliseconds> find_wait(const Verdict& verdict,
                                                     const std::string& address);
  void follow(const Verdict& verdict);
  std::optional<std::string> find_client() const;
  void upgrade(const Verdict& verdict);
  template <class MakeReply>
  auto later(MakeReply make_reply);
  void ask_operator(const Verdict& verdict);
  void read_body(bool to_all);
  void on_body(ErrorCode error, bool to_all);
  void refuse_unread(ErrorCode error);
  void log_refusal(const HttpReply& reply);
  void answer(HttpReply reply);
  void write(HttpReply reply);
  void on_written(ErrorCode error, bool keep_alive);
  void linger();

  std::shared_ptr<GatewayCore> core_;
  Socket socket_;
  Arrival arrival_;
  const SteadyTime life_end_ = std::chrono::steady_clock::now() + core_->options.http_life;
  asio::ip::tcp::endpoint peer_{};
  HeadReader head_;
  MemoryCharge held_;
  TokenBucket bucket_;  // of its requests
  std::array<char, 2048> ignored_{};
  SteadyTime deadline_ = SteadyTime::max();
  std::uint64_t ticket_ = 0;  // of its rest
  std::size_t requests_ = 0;  // answered
  std::size_t lingered_ = 0;  // bytes that came after the last answer
  std::optional<HttpReply> refusal_{};  // that waits for its time
  bool lingers_ = false;      // reads what nobody looks at
  bool idle_ = false;         // waits for a request
  bool of_operator_ = false;  // was asked by one: it stays when room is made
  bool reads_body_ = false;
  bool ended_ = false;
};

void Visit::start() {
  ErrorCode error;
  peer_ = socket_.remote_endpoint(error);
  if (error) return;
  peer_.address(plain_address(peer_.address()));
  core_->add(self());
  read_head();
}

void Visit::within(std::chrono::milliseconds time) {
  deadline_ = std::chrono::steady_clock::now() + time;
  core_->deadlines->arm(self(), deadline_);
}

void Visit::on_deadline(SteadyTime now) {
  if (ended_ || deadline_ == SteadyTime::max()) return;
  if (now >= deadline_) return expire();
  core_->deadlines->arm(self(), deadline_);
}

// A client that rests between two requests has done nothing wrong.
void Visit::expire() {
  if (refusal_) return answer(*std::exchange(refusal_, std::nullopt));
  const bool rests = idle_ && requests_ > 0 && !head_.parser().got_some();
  if (!rests && (idle_ || reads_body_)) ++core_->traffic.counters.requests_expired;
  end();
}

// Not for ever: who keeps a connection without need keeps a place.
bool Visit::may_ask_again() const {
  return !arrival_.spare && requests_ < core_->options.http_requests &&
         std::chrono::steady_clock::now() < life_end_;
}

void Visit::wake() {
  if (std::exchange(idle_, false)) core_->wake(ticket_);
}

void Visit::drain(SteadyTime) {
  if (idle_) end();
}

void Visit::end() {
  if (std::exchange(ended_, true)) return;
  wake();
  ErrorCode ignored;
  socket_.close(ignored);
  core_->remove(*this);
}

void Visit::read_head() {
  head_.begin();
  idle_ = true;
  ticket_ = of_operator_ ? 0 : core_->rest(*this);
  const auto life = std::chrono::ceil<std::chrono::milliseconds>(
      life_end_ - std::chrono::steady_clock::now());
  within(requests_ == 0 ? core_->options.handshake_timeout
                        : std::min(core_->options.handshake_timeout, life));
  if (!head_.holds_more()) return read_more();
  asio::post(core_->context, [visit = self()] { visit->on_bytes({}, 0); });
}

void Visit::read_more() {
  socket_.async_read_some(head_.prepare(), [visit = self()](ErrorCode error, std::size_t bytes) {
    visit->core_->http_after_events([visit, error, bytes] { visit->on_bytes(error, bytes); });
  });
}

void Visit::on_bytes(ErrorCode error, std::size_t bytes) {
  if (ended_) return;
  if (!error) error = head_.take(bytes);
  if (error == http::error::need_more) return read_more();
  on_head(error);
}

void Visit::on_head(ErrorCode error) {
  wake();
  if (error) return refuse_unread(error);
  std::string subprotocols;
  RequestHead head = make_head(head_.parser().get(), subprotocols);
  head.entrance = arrival_.entrance;
  head.peer_loopback = peer_.address().is_loopback();
  const std::string address = find_client().value_or(peer_.address().to_string());
  head.address = address;
  head.body_follows = !head_.parser().is_done();
  // What follows such a request might be taken for the next one.
  if (head.strange_coding) head_.parser().get().keep_alive(false);
  const Verdict verdict = choose_route(head, core_->routes);
  if (const auto wait = find_wait(verdict, address)) {
    head_.parser().get().keep_alive(false);
    if (verdict.handshake) ++core_->traffic.counters.handshakes_refused;
    refusal_ = make_rate_reply(*wait);
    within(refusal_delay);
    return linger();
  }
  follow(verdict);
}

// How long this client should wait before it asks for more than it may; none: it may. An
// administrator may ask for anything. An upgrade is never refused for what others of its address
// do, or a stranger who shares it would keep them out.
std::optional<std::chrono::milliseconds> Visit::find_wait(const Verdict& verdict,
                                                          const std::string& address) {
  if (verdict.privileged) return std::nullopt;
  if (!bucket_.take(std::chrono::steady_clock::now())) return bucket_.wait();
  if (verdict.handshake || core_->op.may_ask(address)) return std::nullopt;
  return std::chrono::seconds(1);
}

// What could not be read: an answer where the peer still listens.
void Visit::refuse_unread(ErrorCode error) {
  head_.parser().get().keep_alive(false);
  auto reply = find_read_fault(error);
  if (!reply) return end();
  answer(std::move(*reply));
}

void Visit::follow(const Verdict& verdict) {
  of_operator_ = verdict.privileged;
  switch (verdict.route) {
    case Route::socket:
      return upgrade(verdict);
    case Route::health:
      return answer({.body = "{\"status\":\"ok\"}\n"});
    case Route::readiness: {
      auto readiness = core_->op.readiness();
      auto brief = readiness.ready ? "{\"ready\":true}" : "{\"ready\":false}";
      return write({.status = readiness.ready ? 200U : 503U,
                    .body = (verdict.privileged ? readiness.json : brief) + "\n"});
    }
    case Route::metrics:
    case Route::list:
    case Route::kick:
      return ask_operator(verdict);
    case Route::page: {
      const auto page = core_->op.page();
      if (!page) return answer(make_http_error(404, "not_found", "nothing is here"));
      return answer(make_page(*page, view(head_.parser().get()[http::field::host])));
    }
    case Route::broadcast:
      return read_body(false);
    case Route::broadcast_all:
      return read_body(true);
    case Route::refused:
      break;
  }
  const unsigned status = verdict.reply.status;
  if (verdict.handshake) ++core_->traffic.counters.handshakes_refused;
  if (verdict.handshake || status == 401 || status == 403) log_refusal(verdict.reply);
  answer(verdict.reply);
}

std::optional<std::string> Visit::find_client() const {
  const auto& proxies = core_->options.trusted_proxies;
  return pgtide::find_client(head_.parser().get(), peer_.address().to_string(), proxies);
}

void Visit::upgrade(const Verdict& verdict) {
  const auto client = find_client();
  const auto address = client.value_or(peer_.address().to_string());
  const auto admission = core_->op.admit(address);
  if (admission != Operator::Admission::admitted) {
    head_.parser().get().keep_alive(false);
    ++core_->traffic.counters.handshakes_refused;
    auto reply = make_admission_reply(admission);
    log_refusal(reply);
    return answer(std::move(reply));
  }
  ended_ = true;
  const auto rest = head_.buffer().data();
  start_session(core_, {.socket = std::move(socket_),
                        .request = head_.parser().release(),
                        .leftover = {static_cast<const char*>(rest.data()), rest.size()},
                        .remote_address = client.value_or(print(peer_)),
                        .address = address,
                        .answer_subprotocol = verdict.answer_subprotocol,
                        .identity = verdict.identity,
                        .bad_credential = verdict.bad_credential});
  core_->remove(*this);
}

void Visit::log_refusal(const HttpReply& reply) {
  const std::string why = reply.body.substr(0, reply.body.find('\n'));
  core_->log.refused(find_client().value_or(peer_.address().to_string()),
                     "HTTP " + std::to_string(reply.status), why);
}

// A callback for the operator, from any thread: its answer goes out while this visit is there.
template <class MakeReply>
auto Visit::later(MakeReply make_reply) {
  deadline_ = SteadyTime::max();  // the operator answers, within its own time
  return [weak = weak_from_this(), &context = core_->context, make_reply](auto answer) {
    asio::post(context, [weak, make_reply, answer = std::move(answer)]() mutable {
      const auto visit = weak.lock();
      if (visit && !visit->ended_) visit->answer(make_reply(std::move(answer)));
    });
  };
}

void Visit::ask_operator(const Verdict& verdict) {
  switch (verdict.route) {
    case Route::metrics:
      return core_->op.metrics(later(make_metrics_reply));
    case Route::list:
      return core_->op.list(verdict.query, later(make_page_reply));
    default:
      const auto make_reply = [by_id = verdict.query.id.has_value()](std::size_t closed) {
        return make_kick_reply(closed, by_id);
      };
      return core_->op.kick(verdict.query, later(make_reply));
  }
}

void Visit::read_body(bool to_all) {
  reads_body_ = true;
  within(core_->options.handshake_timeout);
  if (beast::iequals(head_.parser().get()[http::field::expect], "100-continue")) {
    static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    // 25 bytes into an empty send buffer: they fit, and if not, the client goes on after a second.
    ErrorCode ignored;
    socket_.non_blocking(true, ignored);
    socket_.write_some(asio::buffer(go_on), ignored);
  }
  http::async_read(
      socket_, head_.buffer(), head_.parser(),
      [visit = self(), to_all](ErrorCode error, std::size_t) { visit->on_body(error, to_all); });
}

void Visit::on_body(ErrorCode error, bool to_all) {
  if (ended_) return;
  reads_body_ = false;
  if (error) return refuse_unread(error);
  auto request = parse_broadcast(head_.parser().get().body(), to_all);
  if (!request) return answer(make_broadcast_reply({.result = request.error()}));
  core_->op.broadcast(std::move(*request), later(make_broadcast_reply));
}

void Visit::answer(HttpReply reply) {
  if (reply.status >= 400) ++core_->traffic.counters.http_refusals[reply.status];
  write(std::move(reply));
}

void Visit::write(HttpReply reply) {
  ++requests_;
  const auto& request = head_.parser().get();
  // A body that nobody reads would be taken for the next request.
  const bool keep_alive =
      request.keep_alive() && head_.parser().is_done() && !core_->draining && may_ask_again();
  auto response = std::make_shared<http::response<http::string_body>>(
      static_cast<http::status>(reply.status), request.version() == 10 ? 10U : 11U);
  response->set(http::field::server, "pgtide/" PGTIDE_VERSION);
  response->set(http::field::content_type, reply.content_type);
  response->set("X-Content-Type-Options", "nosniff");
  response->set(http::field::cache_control, "no-store");
  response->keep_alive(keep_alive);
  for (const auto& [name, value] : reply.headers) response->set(name, value);
  response->content_length(reply.body.size());
  if (request.method() != http::verb::head) response->body() = std::move(reply.body);
  within(core_->options.handshake_timeout);
  http::async_write(socket_, *response,
                    [visit = self(), response, keep_alive](ErrorCode error, std::size_t) {
                      visit->on_written(error, keep_alive);
                    });
}

void Visit::on_written(ErrorCode error, bool keep_alive) {
  if (ended_) return;
  if (error) return end();
  if (keep_alive && !core_->draining) return read_head();
  within(linger_time);
  ErrorCode ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  linger();
}

// Reads on to see the peer's end, while a 429 waits and after the last answer: closing with unread
// bytes would reset the connection, and the answer with it.
void Visit::linger() {
  if (std::exchange(lingers_, true)) return;
  socket_.async_read_some(asio::buffer(ignored_), [visit = self()](ErrorCode error,
                                                                     std::size_t bytes) {
    if (visit->ended_) return;
    visit->lingers_ = false;
    visit->lingered_ += bytes;
    if (error || visit->lingered_ > linger_bytes_max) return visit->end();
    visit->linger();
  });
}

}  // namespace

void start_visit(const std::shared_ptr<GatewayCore>& core, Socket socket, Arrival arrival) {
  // Not make_shared(): the deadline's weak pointer would keep the whole block until it is due.
  const std::shared_ptr<Visit> visit(new Visit(core, std::move(socket), std::move(arrival)));
  visit->start();
}

}  // namespace pgtide
