#pragma once
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <optional>
#include <string>

#include "gateway/core.hpp"

namespace pgtide {

// A WebSocket's opening handshake that has passed all checks and was admitted.
struct Handshake {
  Socket socket;
  boost::beast::http::request<boost::beast::http::string_body> request{};
  std::string leftover{};  // read past the request
  std::string remote_address{};  // the client's, with its port where that is known
  std::string address{};         // the same without a port, as it was admitted
  bool answer_subprotocol = false;
  bool stays = false;  // loopback with rights: it gives way to nobody
  std::optional<Identity> identity{};
  std::string bad_credential{};  // why it is closed at once; empty: it is not
};

// Answers the handshake and runs the connection. Releases the admission exactly once.
void start_session(const std::shared_ptr<GatewayCore>& core, Handshake handshake);

}  // namespace pgtide
