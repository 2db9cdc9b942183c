#include "gateway/visit.hpp"

#include <algorithm>
#include <boost/beast/http/read.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <utility>

#include "gateway/handshake.hpp"
#include "gateway/http_replies.hpp"
#include "gateway/peer_address.hpp"
#include "gateway/request_head.hpp"

namespace pgtide {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

namespace {

// What a visit takes beside the head that it reads: this object, its socket and its parser.
constexpr std::size_t visit_bytes = 4'096;
// How many seconds' requests a connection may send at once.
constexpr double burst_seconds = 5;

}  // namespace

Visit::Visit(std::shared_ptr<GatewayCore> core, Socket socket, Arrival arrival)
    : core_(std::move(core)),
      socket_(std::move(socket)),
      arrival_(std::move(arrival)),
      head_(core_->options.memory),
      held_(core_->options.memory, MemoryKind::connections, visit_bytes),
      bucket_(core_->options.http_requests_per_second,
              core_->options.http_requests_per_second * burst_seconds,
              std::chrono::steady_clock::now()) {}

void Visit::start() {
  ErrorCode error;
  peer_ = socket_.remote_endpoint(error);
  if (error) return;
  peer_.address(plain_address(peer_.address()));
  of_proxy_ = core_->options.trusted_proxies.trusts(peer_.address().to_string());
  core_->add(self());
  read_head();
}

void Visit::within(std::chrono::milliseconds time) {
  deadline_ = std::chrono::steady_clock::now() + time;
  core_->deadlines->arm(self(), deadline_);
}

void Visit::on_deadline(SteadyTime now) {
  if (ended_) return;
  if (now >= deadline_) return expire();
  if (now >= linger_due_) linger();
  const SteadyTime next = std::min(deadline_, linger_due_);
  if (next != SteadyTime::max()) core_->deadlines->arm(self(), next);
}

// A client that rests between two requests has done nothing wrong.
// Nor has one whose bytes have come, and were not looked at yet.
void Visit::expire() {
  if (in_hand_) return within(core_->options.handshake_timeout);
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
  asio::post(core_->context, [visit = self()] { visit->look_in_turn({}, 0); });
}

void Visit::look_in_turn(ErrorCode error, std::size_t bytes) {
  in_hand_ = true;
  core_->http_after_events([visit = self(), error, bytes] {
    visit->in_hand_ = false;
    visit->on_bytes(error, bytes);
  });
}

void Visit::read_more() {
  socket_.async_read_some(head_.prepare(), [visit = self()](ErrorCode error, std::size_t bytes) {
    visit->look_in_turn(error, bytes);
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
  const bool usual = take_usual_form(head_.parser().get());
  RequestHead head = make_head(head_.parser().get(), subprotocols);
  head.strange_target = !usual;
  head.entrance = arrival_.entrance;
  head.peer_loopback = peer_.address().is_loopback();
  const std::string address = find_client().value_or(peer_.address().to_string());
  head.address = address;
  head.body_follows = !head_.parser().is_done();
  // What follows such a request might be taken for the next one.
  if (head.strange_coding) head_.parser().get().keep_alive(false);
  const Verdict verdict = choose_route(head, core_->routes);
  if (const auto wait = find_wait(verdict, address)) {
    if (verdict.handshake) ++core_->traffic.counters.handshakes_refused;
    return refuse_later(make_rate_reply(*wait));
  }
  follow(verdict);
}

// How long this client should wait before it asks for more than it may; none: it may. An
// administrator may ask for anything. A handshake that is in order is never refused for what others
// of its address ask, or a stranger who shares it would keep them out; nor for what others ask on
// the same connection of a trusted proxy, where each is counted by its address alone.
std::optional<std::chrono::milliseconds> Visit::find_wait(const Verdict& verdict,
                                                          const std::string& address) {
  if (verdict.privileged) return std::nullopt;
  if (!of_proxy_ && !bucket_.take(std::chrono::steady_clock::now())) return bucket_.wait();
  if (verdict.route == Route::socket || core_->op.may_ask(address)) return std::nullopt;
  return std::chrono::seconds(1);
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
  if (status == 429) return refuse_later(verdict.reply);
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
    if (reply.status == 429) return refuse_later(std::move(reply));
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
                        .stays = verdict.privileged,
                        .identity = verdict.identity,
                        .bad_credential = verdict.bad_credential});
  core_->remove(*this);
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

void start_visit(const std::shared_ptr<GatewayCore>& core, Socket socket, Arrival arrival) {
  // Not make_shared(): the deadline's weak pointer would keep the whole block until it is due.
  const std::shared_ptr<Visit> visit(new Visit(core, std::move(socket), std::move(arrival)));
  visit->start();
}

}  // namespace pgtide
