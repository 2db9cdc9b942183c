#pragma once
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <string>
#include <string_view>

#include "gateway/http_routes.hpp"

namespace pgtide {

inline std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

// What a request's head says, but for where it came from. Views into `request`, and into
// `subprotocols`, which is filled with all lines of that field.
RequestHead make_head(const boost::beast::http::request<boost::beast::http::string_body>& request,
                      std::string& subprotocols);

}  // namespace pgtide
