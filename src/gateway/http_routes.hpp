#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/broker.hpp"
#include "gateway/entrance.hpp"
#include "gateway/gatekeeper.hpp"

// Who gets what over HTTP (PROTOCOL 1 and 5): decided from the head of a request alone, and
// from what the gatekeeper says of its credential.
namespace pgtide {

struct RequestHead {
  std::string_view method{};
  std::string_view target{};
  bool http_1_0 = false;
  std::size_t host_count = 0;
  std::string_view host{};
  std::string_view origin{};         // empty: no such header
  std::string_view content_type{};
  std::string_view authorization{};
  std::size_t authorization_count = 0;
  std::string_view api_key{};
  std::size_t api_key_count = 0;
  std::string_view subprotocols{};   // all Sec-WebSocket-Protocol lines, joined by ','
  bool forwarded = false;            // came through a proxy that says so (tells_of_proxy)
  bool upgrade = false;              // asks for a WebSocket, in full
  bool body_follows = false;
  bool strange_coding = false;       // a Transfer-Encoding that does not end in `chunked`
  bool strange_target = false;       // neither a path nor in absolute form of our schemes
  std::string_view socket_version{};
  std::size_t socket_version_count = 0;
  std::string_view socket_key{};
  std::size_t socket_key_count = 0;
  bool peer_loopback = false;        // the peer's address
  std::string_view address{};        // the client's, without a port
  Entrance entrance = Entrance::everyone;
};

struct RouteRules {
  std::string path{};
  std::vector<std::string> allowed_origins{};
  bool loopback_listener = true;
  bool loopback_operators = true;
  bool loopback_admin = true;  // loopback has rights of its own
  std::shared_ptr<const Gatekeeper> gatekeeper{};  // null: no credential is known
  bool auth_required = false;
  bool query_token = false;
};

struct HttpReply {
  unsigned status = 200;
  std::string body{};
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers{};
};
// {"error":{"code":...,"message":...}}
HttpReply make_http_error(unsigned status, std::string_view code, std::string_view message);

// What a request that passed all checks asks for; `refused` holds the reply for one that did not.
enum class Route {
  refused,
  socket,
  health,
  readiness,
  metrics,
  page,
  broadcast,
  broadcast_all,
  list,
  kick
};
struct Verdict {
  Route route = Route::refused;
  HttpReply reply{};
  bool handshake = false;            // a WebSocket was asked for
  bool privileged = false;           // loopback as PROTOCOL 5 defines it, or an administrator
  bool answer_subprotocol = false;   // the client offers `pgtide`
  std::optional<Identity> identity{};
  ConnectionQuery query{};           // of list and kick
  std::string bad_credential{};      // in subprotocol or query: upgrade, say this, close with 4401
};
Verdict choose_route(const RequestHead& head, const RouteRules& rules);

// The headers of the page at `/`, which is one file with its script and style inside and talks to
// a WebSocket on its own host: nothing else may be loaded, sent or framed. `host` is the request's.
HttpReply make_page(std::string_view html, std::string_view host);

}  // namespace pgtide
