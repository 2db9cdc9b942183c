#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Who gets what over HTTP (PROTOCOL 1 and 5): decided from the head of a request alone. Pure.
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
  std::string_view subprotocols{};   // all Sec-WebSocket-Protocol lines, joined by ','
  bool api_key = false;              // X-API-Key is there
  bool forwarded = false;            // Forwarded or X-Forwarded-* is there
  bool upgrade = false;              // asks for a WebSocket, in full
  bool peer_loopback = false;        // the peer's address
};

struct RouteRules {
  std::string path{};
  std::vector<std::string> allowed_origins{};
  bool loopback_listener = true;
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
enum class Route { refused, socket, health, readiness, metrics, page, broadcast, broadcast_all };
struct Verdict {
  Route route = Route::refused;
  HttpReply reply{};
  bool loopback = false;          // as PROTOCOL 5 defines it
  bool answer_subprotocol = false;  // the client offers `pgtide`
  bool bad_credential = false;    // in a subprotocol: upgrade, say so, close with 4401
};
Verdict choose_route(const RequestHead& head, const RouteRules& rules);

// The headers of the page at `/`, which is one file with its script and style inside and talks to
// a WebSocket on its own host: nothing else may be loaded, sent or framed. `host` is the request's.
HttpReply make_page(std::string_view html, std::string_view host);

}  // namespace pgtide
