#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <boost/beast/http/write.hpp>
#include <cerrno>
#include <utility>

#include "gateway/broadcast_body.hpp"
#include "gateway/http_replies.hpp"
#include "gateway/request_head.hpp"
#include "gateway/visit.hpp"

// How a visit is answered, and how it ends.
namespace pgtide {

namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

// How long a client that was refused may go on sending before it is cut off, and how much.
constexpr std::chrono::milliseconds linger_time{2'000};
constexpr std::size_t linger_bytes_max = 1'048'576;
constexpr std::chrono::milliseconds linger_pause{50};
// How long a refused one waits for its 429: a crowd could else come back for it at once.
constexpr std::chrono::milliseconds refusal_delay{1'000};

}  // namespace

// What could not be read: an answer where the peer still listens.
void Visit::refuse_unread(ErrorCode error) {
  head_.parser().get().keep_alive(false);
  auto reply = find_read_fault(error);
  if (!reply) return end();
  answer(std::move(*reply));
}

void Visit::log_refusal(const HttpReply& reply) {
  const std::string why = reply.body.substr(0, reply.body.find('\n'));
  core_->log.refused(find_client().value_or(peer_.address().to_string()),
                     "HTTP " + std::to_string(reply.status),
                     why + "; " + describe_asker(head_.parser().get()));
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

void Visit::on_body(ErrorCode error, bool to_all) {
  if (ended_) return;
  reads_body_ = false;
  if (error) return refuse_unread(error);
  auto request = parse_broadcast(head_.parser().get().body(), to_all);
  if (!request) return answer(make_broadcast_reply({.result = request.error()}));
  core_->op.broadcast(std::move(*request), later(make_broadcast_reply));
}

// A 429, which ends the connection.
void Visit::refuse_later(HttpReply reply) {
  head_.parser().get().keep_alive(false);
  refusal_ = std::move(reply);
  within(refusal_delay);
  linger();
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

// Drops what still comes and looks for the peer's end, while a 429 waits and after the last answer:
// closing with unread bytes would reset the connection, and the answer with it. What comes gathers
// for a while each time, and is dropped where it lies: a crowd that sends for all its lines give
// would else be read for nothing.
void Visit::linger() {
  linger_due_ = SteadyTime::max();
  if (std::exchange(lingers_, true)) return;
  socket_.async_wait(Socket::wait_read, [visit = self()](ErrorCode error) {
    visit->lingers_ = false;
    if (visit->ended_) return;
    if (error) return visit->end();
    visit->drop_input();
  });
}

void Visit::drop_input() {
  // TCP copies nothing of what is asked for so (tcp(7)).
  const ssize_t got = ::recv(socket_.native_handle(), nullptr, linger_bytes_max,
                             MSG_TRUNC | MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return linger();
  if (got <= 0) return end();
  lingered_ += static_cast<std::size_t>(got);
  if (lingered_ > linger_bytes_max) return end();
  linger_due_ = std::chrono::steady_clock::now() + linger_pause;
  core_->deadlines->arm(self(), linger_due_);
}

}  // namespace pgtide
