#include "gateway/request_head.hpp"

#include <algorithm>
#include <boost/beast/http/error.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include "gateway/http_checks.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace beast = boost::beast;
namespace http = beast::http;

namespace {

using Request = http::request<http::string_body>;

void join_lines(Request& request, http::field name) {
  if (request.count(name) < 2) return;
  std::string joined;
  for (const auto& line : request) {
    if (line.name() != name || line.value().empty()) continue;
    joined += joined.empty() ? "" : ", ";
    joined += view(line.value());
  }
  request.set(name, joined);
}

// "http" of "http://host/path"; empty: it is in another form.
std::string_view scheme_of(std::string_view target) {
  const std::string_view scheme = target.substr(0, target.find("://"));
  const bool is_scheme = scheme.size() < target.size() && std::ranges::all_of(scheme, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '+' || c == '-' || c == '.';
  });
  return is_scheme ? scheme : std::string_view{};
}

std::string describe_field(const Request& request, http::field name, std::string_view called) {
  const auto count = request.count(name);
  const std::string word(called);
  if (count == 0) return "no " + word;
  if (count > 1) return "several " + word + "s";
  return word + " " + quoted(view(request[name]));
}

}  // namespace

bool take_usual_form(Request& request) {
  join_lines(request, http::field::connection);
  join_lines(request, http::field::upgrade);
  const std::string target(view(request.target()));
  const std::string_view scheme = scheme_of(target);
  if (scheme.empty()) return true;
  if (lower_case(scheme) != "http" && lower_case(scheme) != "https") return false;
  const std::string after = target.substr(scheme.size() + 3);
  const auto end = after.find_first_of("/?#");
  const std::string authority = after.substr(0, end);
  const std::string path = end == std::string::npos ? "" : after.substr(end);
  // What stands before an @ is no host, however much it looks like one.
  if (host_name(authority).empty() || authority.find_first_of("@\\") != std::string::npos) {
    return false;
  }
  request.target((path.starts_with('/') ? "" : "/") + path);
  const bool needs_host = request.version() == 10 && request.count(http::field::host) == 0;
  if (needs_host || request.count(http::field::host) == 1) {
    request.set(http::field::host, authority);
  }
  return true;
}

std::string describe_asker(const Request& request) {
  return describe_field(request, http::field::origin, "Origin") + ", " +
         describe_field(request, http::field::host, "Host") + ", path " +
         quoted(path_of(view(request.target())));
}

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
