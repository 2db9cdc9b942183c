#pragma once
#include <boost/beast/websocket/teardown.hpp>
#include <utility>

#include "gateway/wire.hpp"

// How Beast ends a WebSocket stream over a Wire; it finds them by their names.
namespace pgtide {

inline void beast_close_socket(Wire& wire) {
  wire.cut();
}

inline void teardown(boost::beast::role_type role, Wire& wire, boost::system::error_code& error) {
  boost::beast::websocket::teardown(role, wire.socket(), error);
}

template <class Token>
void async_teardown(boost::beast::role_type role, Wire& wire, Token&& token) {
  boost::beast::websocket::async_teardown(role, wire.socket(), std::forward<Token>(token));
}

}  // namespace pgtide
