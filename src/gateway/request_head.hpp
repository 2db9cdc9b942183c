#pragma once
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/system/error_code.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/http_routes.hpp"
#include "gateway/trusted_proxies.hpp"

namespace pgtide {

inline std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

// Makes of a request what the same one says in the usual form: a list in several lines is one line
// (RFC 9110, 5.3), and a target in absolute form is its path, with its host for Host (RFC 9112,
// 3.2.2). False: the target stays, since it is of another scheme, or names no host.
bool take_usual_form(boost::beast::http::request<boost::beast::http::string_body>& request);

// What a request's head says, but for where it came from. Views into `request`, and into
// `subprotocols`, which is filled with all lines of that field.
RequestHead make_head(const boost::beast::http::request<boost::beast::http::string_body>& request,
                      std::string& subprotocols);

// Behind a trusted proxy: the address that it was asked from. `peer`: the socket's.
std::optional<std::string> find_client(
    const boost::beast::http::request<boost::beast::http::string_body>& request,
    const std::string& peer, const TrustedProxies& proxies);

// "Origin 'null', Host 'localhost:8080', path '/x'", for the log: no query, which may hold a token.
std::string describe_asker(
    const boost::beast::http::request<boost::beast::http::string_body>& request);

// What a request is answered with that could not be read; none: nobody listens any more.
std::optional<HttpReply> find_read_fault(const boost::system::error_code& error);

}  // namespace pgtide
