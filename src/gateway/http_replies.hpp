#pragma once
#include <chrono>
#include <cstddef>
#include <string>

#include "gateway/http_routes.hpp"
#include "gateway/operator.hpp"

// What the operator's answers become over HTTP (PROTOCOL 5).
namespace pgtide {

// Not for `admitted`.
HttpReply make_admission_reply(Operator::Admission admission);
// 429: a client that asks too often may go on after `wait`.
HttpReply make_rate_reply(std::chrono::milliseconds wait);
HttpReply make_broadcast_reply(const BroadcastDone& done);
HttpReply make_metrics_reply(std::string text);
HttpReply make_page_reply(const ConnectionPage& page);
// `by_id`: one connection was meant, which may be none.
HttpReply make_kick_reply(std::size_t closed, bool by_id);

}  // namespace pgtide
