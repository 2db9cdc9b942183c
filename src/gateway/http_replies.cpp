#include "gateway/http_replies.hpp"

#include "gateway/connection_query.hpp"
#include "model/server_message.hpp"

namespace pgtide {
namespace {

constexpr std::string_view retry_after_seconds = "5";

HttpReply make_busy(std::string_view code, std::string_view message) {
  auto reply = make_http_error(503, code, message);
  reply.headers.emplace_back("Retry-After", retry_after_seconds);
  return reply;
}

}  // namespace

HttpReply make_admission_reply(Operator::Admission admission) {
  switch (admission) {
    case Operator::Admission::too_many_from_address:
      return make_busy("too_many_connections", "too many connections from this address");
    case Operator::Admission::too_often_from_address:
      return make_rate_reply(std::chrono::seconds(1));
    case Operator::Admission::short_of_memory:
      return make_busy("server_busy", "the server is short of memory: try again");
    case Operator::Admission::starting:
      return make_busy("starting", "the server is not ready yet: try again");
    default:
      return make_busy("too_many_connections", "the server has all the connections it takes");
  }
}

HttpReply make_rate_reply(std::chrono::milliseconds wait) {
  auto reply = make_http_error(429, "rate_limited", "too many requests: wait, then go on");
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
  reply.headers.emplace_back("Retry-After", std::to_string(seconds));
  return reply;
}

HttpReply make_broadcast_reply(const BroadcastDone& done) {
  if (done.result) {
    if (done.warning.empty()) return {.status = 202, .body = "{}\n"};
    return {.status = 202, .body = "{\"warning\":" + json_string(done.warning) + "}\n"};
  }
  const auto& error = done.result.error();
  switch (error.kind) {
    case ErrorKind::invalid:
      return make_http_error(400, "invalid_request", error.message);
    case ErrorKind::too_large:
      return make_http_error(413, "too_large", error.message);
    case ErrorKind::unavailable:
      return make_busy("unavailable", "the database is away: try again");
    default:
      return make_http_error(500, "internal", error.message);
  }
}

HttpReply make_metrics_reply(std::string text) {
  return {.body = std::move(text), .content_type = "text/plain; version=0.0.4; charset=utf-8"};
}

HttpReply make_page_reply(const ConnectionPage& page) { return {.body = to_json(page)}; }

HttpReply make_kick_reply(std::size_t closed, bool by_id) {
  if (by_id && closed == 0) {
    return make_http_error(404, "unknown_connection", "no open connection has this id");
  }
  return {.body = "{\"closed\":" + std::to_string(closed) + "}\n"};
}

}  // namespace pgtide
