#include "gateway/request_head.hpp"

#include <boost/beast/http/error.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include "gateway/http_checks.hpp"

namespace pgtide {
namespace beast = boost::beast;
namespace http = beast::http;

RequestHead make_head(const http::request<http::string_body>& request, std::string& subprotocols) {
  RequestHead head;
  head.method = view(request.method_string());
  head.target = view(request.target());
  head.http_1_0 = request.version() == 10;
  head.host = view(request[http::field::host]);
  head.host_count = request.count(http::field::host);
  // Of two nobody knows which is meant; no allowed origin is called so.
  head.origin = request.count(http::field::origin) > 1 ? std::string_view("several")
                                                       : view(request[http::field::origin]);
  head.content_type = view(request[http::field::content_type]);
  head.authorization = view(request[http::field::authorization]);
  head.authorization_count = request.count(http::field::authorization);
  head.api_key = view(request["X-API-Key"]);
  head.api_key_count = request.count("X-API-Key");
  for (const auto& field : request) {
    head.forwarded |= tells_of_proxy(view(field.name_string()));
    if (field.name() == http::field::sec_websocket_protocol) {
      subprotocols += subprotocols.empty() ? "" : ",";
      subprotocols += view(field.value());
    }
  }
  head.subprotocols = subprotocols;
  head.socket_version = view(request[http::field::sec_websocket_version]);
  head.socket_version_count = request.count(http::field::sec_websocket_version);
  head.socket_key = view(request[http::field::sec_websocket_key]);
  head.socket_key_count = request.count(http::field::sec_websocket_key);
  head.strange_coding = request.count(http::field::transfer_encoding) > 0 && !request.chunked();
  head.upgrade = beast::websocket::is_upgrade(request);
  return head;
}

std::optional<std::string> find_client(const http::request<http::string_body>& request,
                                       const std::string& peer, const TrustedProxies& proxies) {
  std::string forwarded;
  for (const auto& field : request) {
    if (!beast::iequals(field.name_string(), "X-Forwarded-For")) continue;
    forwarded += forwarded.empty() ? "" : ",";
    forwarded += view(field.value());
  }
  if (forwarded.empty()) return std::nullopt;
  return proxies.find_client(peer, forwarded);
}

std::optional<HttpReply> find_read_fault(const boost::system::error_code& error) {
  if (error == http::error::header_limit) {
    return make_http_error(431, "headers_too_large",
                           "the headers are over 16 KiB, or over 128 lines");
  }
  if (error == http::error::body_limit) {
    return make_http_error(413, "too_large", "the body is over 1 MiB");
  }
  const bool unreadable = error.category() == make_error_code(http::error::bad_method).category();
  if (!unreadable || error == http::error::end_of_stream ||
      error == http::error::partial_message) {
    return std::nullopt;
  }
  return make_http_error(400, "invalid_request", "this is not HTTP: " + error.message());
}

}  // namespace pgtide
