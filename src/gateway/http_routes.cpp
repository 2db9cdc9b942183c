#include "gateway/http_routes.hpp"

#include <algorithm>

#include "gateway/connection_query.hpp"
#include "gateway/credentials.hpp"
#include "gateway/http_checks.hpp"
#include "model/server_message.hpp"

namespace pgtide {
namespace {

Verdict refuse(unsigned status, std::string_view code, std::string_view message) {
  Verdict verdict;
  verdict.reply = make_http_error(status, code, message);
  return verdict;
}

Verdict refuse_method(std::string allow) {
  auto verdict = refuse(405, "method_not_allowed", "this path answers to " + allow);
  verdict.reply.headers.emplace_back("Allow", std::move(allow));
  return verdict;
}

Verdict refuse_credential(std::string_view code, std::string_view message) {
  auto verdict = refuse(401, code, message);
  verdict.reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  return verdict;
}

// A credential that was refused, or not even looked at.
Verdict refuse_credential(const Error& why) {
  if (why.kind != ErrorKind::unavailable) return refuse_credential("invalid_token", why.message);
  auto verdict = refuse(429, "rate_limited", why.message);
  verdict.reply.headers.emplace_back("Retry-After", "1");
  return verdict;
}

Verdict refuse_path() { return refuse(404, "not_found", "nothing is here"); }

Verdict refuse_origin() {
  return refuse(403, "forbidden_origin",
                "requests of this Origin are refused: list it in server.allowed_origins");
}

Verdict refuse_upgrade(std::string_view message) {
  auto verdict = refuse(426, "upgrade_required", message);
  verdict.reply.headers = {{"Upgrade", "websocket"},
                           {"Connection", "Upgrade"},
                           {"Sec-WebSocket-Version", "13"}};
  return verdict;
}

// What the request's own form has against it (RFC 6455, 4.2.1). None: nothing.
std::optional<Verdict> refuse_handshake(const RequestHead& head) {
  if (!head.upgrade) return refuse_upgrade("this is a WebSocket endpoint (RFC 6455)");
  if (head.socket_version_count != 1 || head.socket_version != "13") {
    return refuse_upgrade("send one Sec-WebSocket-Version: 13, which is all that is spoken here");
  }
  if (head.socket_key_count != 1 || !is_socket_key(head.socket_key)) {
    return refuse(400, "invalid_request",
                  "send one Sec-WebSocket-Key: 16 bytes in base64, chosen anew each time");
  }
  // A proxy takes for a body what we would take for frames.
  if (head.body_follows) {
    return refuse(400, "invalid_request", "an upgrade to WebSocket has no body: leave it out");
  }
  return std::nullopt;
}

Verdict choose_socket(const RequestHead& head, const RouteRules& rules) {
  if (head.method != "GET") return refuse_method("GET");
  if (auto refused = refuse_handshake(head)) return std::move(*refused);
  if (!origin_allowed(head.origin, head.host, rules.allowed_origins)) return refuse_origin();
  const auto credential = find_credential(head, rules, true);
  auto known = identify(credential, rules, head.address);
  const bool unseen = !known && known.error().kind == ErrorKind::unavailable;
  if (!known && (unseen || credential.place == Credential::Place::header)) {
    return refuse_credential(known.error());
  }
  Verdict verdict;
  verdict.route = Route::socket;
  verdict.answer_subprotocol = find_subprotocols(head.subprotocols).pgtide;
  if (known) {
    verdict.identity = std::move(*known);
  } else {
    verdict.bad_credential = known.error().message;
  }
  return verdict;
}

// Who may run the server: whoever may subscribe to everything. Where that is anyone, the anonymous
// may on loopback only: to be read by all is not to be written by all. None: it may.
std::optional<Verdict> refuse_stranger(const RequestHead& head, const RouteRules& rules,
                                       bool loopback) {
  const auto known = identify(find_credential(head, rules, false), rules, head.address);
  if (!known) return refuse_credential(known.error());
  const bool anonymous = !known->has_value();
  const bool owner = anonymous && loopback && !rules.auth_required;
  const auto* user = anonymous ? nullptr : &(*known)->principal;
  const bool administers =
      rules.gatekeeper ? rules.gatekeeper->administers(user) : anonymous;
  if (administers && (owner || !anonymous)) return std::nullopt;
  if (!anonymous) {
    return refuse(403, "permission_denied", "this path is for those who may subscribe to *");
  }
  return refuse_credential("unauthenticated",
                           "this path is for administrators: send a token or an API key");
}

Verdict choose_broadcast(const RequestHead& head, const RouteRules& rules, bool loopback) {
  if (head.method != "POST") return refuse_method("POST");
  if (!origin_allowed(head.origin, head.host, rules.allowed_origins)) return refuse_origin();
  if (auto refused = refuse_stranger(head, rules, loopback)) return std::move(*refused);
  if (!is_json_type(head.content_type)) {
    return refuse(415, "unsupported_media_type", "send Content-Type: application/json");
  }
  Verdict verdict;
  verdict.privileged = true;
  const bool to_all = path_of(head.target).ends_with("_all");
  verdict.route = to_all ? Route::broadcast_all : Route::broadcast;
  return verdict;
}

Verdict choose_connections(const RequestHead& head, const RouteRules& rules, bool loopback) {
  const auto id = path_of(head.target).substr(connections_path.size());
  const bool reads = id.empty() && (head.method == "GET" || head.method == "HEAD");
  if (!reads && head.method != "DELETE") {
    return refuse_method(id.empty() ? "GET, HEAD, DELETE" : "DELETE");
  }
  if (!reads && !origin_allowed(head.origin, head.host, rules.allowed_origins)) {
    return refuse_origin();
  }
  if (auto refused = refuse_stranger(head, rules, loopback)) return std::move(*refused);
  auto query = reads ? parse_listing(query_of(head.target)) : parse_kick(head.target);
  if (!query) return refuse(400, "invalid_request", query.error().message);
  Verdict verdict;
  verdict.privileged = true;
  verdict.route = reads ? Route::list : Route::kick;
  verdict.query = std::move(*query);
  return verdict;
}

// What anyone may ask: no credential is looked at.
Verdict choose_view(const RequestHead& head, Route route) {
  if (head.method != "GET" && head.method != "HEAD") return refuse_method("GET, HEAD");
  Verdict verdict;
  verdict.route = route;
  return verdict;
}

// Loopback and administrators are told more, where they ask for it: who only wants to know whether
// it is ready, a balancer that sends its token with everything among them, costs no signature.
Verdict choose_readiness(const RequestHead& head, const RouteRules& rules, bool loopback) {
  auto verdict = choose_view(head, Route::readiness);
  const bool asks = !loopback && query_of(head.target) == "verbose";
  if (verdict.route == Route::readiness && asks) {
    if (auto refused = refuse_stranger(head, rules, false)) return std::move(*refused);
    verdict.privileged = true;
  }
  return verdict;
}

Verdict choose_metrics(const RequestHead& head, const RouteRules& rules, bool loopback) {
  if (head.method != "GET" && head.method != "HEAD") return refuse_method("GET, HEAD");
  Verdict verdict;
  verdict.route = Route::metrics;
  if (loopback) return verdict;
  if (find_credential(head, rules, false).kind == Credential::Kind::none) {
    return refuse(403, "loopback_only",
                  "this path answers on loopback without a proxy, and to administrators");
  }
  if (auto refused = refuse_stranger(head, rules, false)) return std::move(*refused);
  verdict.privileged = true;
  return verdict;
}

Verdict choose_by_path(const RequestHead& head, const RouteRules& rules, bool loopback) {
  const auto path = path_of(head.target);
  const bool clients = path == rules.path || path == "/";
  if (head.entrance == (clients ? Entrance::operators : Entrance::clients)) return refuse_path();
  if (path == rules.path) return choose_socket(head, rules);
  if (path == "/realtime/broadcast" || path == "/realtime/broadcast_all") {
    return choose_broadcast(head, rules, loopback);
  }
  if (path == connections_path || path.starts_with(std::string(connections_path) + "/")) {
    return choose_connections(head, rules, loopback);
  }
  if (path == "/healthz") return choose_view(head, Route::health);
  if (path == "/readyz") return choose_readiness(head, rules, loopback);
  if (path == "/metrics") return choose_metrics(head, rules, loopback);
  if (path == "/") return choose_view(head, Route::page);
  return refuse_path();
}

// What a Host header may stand for inside another header of ours.
bool is_plain_host(std::string_view host) {
  return !host.empty() && std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
  });
}

// A listener on loopback is called by loopback names. Where origins are listed, every listener is
// called by theirs as well, and any but one on loopback by an address: probes and balancers do so.
// Those of pages without a site (null, file://) are called nothing.
std::optional<Verdict> refuse_host(const RequestHead& head, const RouteRules& rules) {
  const bool on_loopback = head.entrance == Entrance::operators ? rules.loopback_operators
                                                                : rules.loopback_listener;
  if (head.host_count != 1 || (!on_loopback && !name_hosts(rules.allowed_origins))) {
    return std::nullopt;
  }
  if (host_allowed(head.host, rules.allowed_origins)) return std::nullopt;
  if (!on_loopback && is_address(head.host)) return std::nullopt;
  return refuse(403, "forbidden_host",
                std::string("this address answers to ") +
                    (on_loopback ? "loopback names" : "the hosts of server.allowed_origins") +
                    " only: list the origin in server.allowed_origins");
}

Verdict choose(const RequestHead& head, const RouteRules& rules) {
  // A page of another site that was rebound to a loopback address still names itself as the host.
  const bool names_loopback = head.host_count == 0 || host_allowed(head.host, {});
  const bool loopback =
      rules.loopback_admin && head.peer_loopback && !head.forwarded && names_loopback;
  // HTTP/1.0 knows no Host, and no browser speaks it: there is nothing to rebind.
  if (head.host_count != 1 && !(head.http_1_0 && head.host_count == 0)) {
    return refuse(400, "invalid_request", "send exactly one Host header");
  }
  // Nobody can tell where such a request ends (RFC 9112, 6.3).
  if (head.strange_coding) {
    return refuse(400, "invalid_request", "Transfer-Encoding must end in chunked: leave it out");
  }
  if (head.strange_target) {
    return refuse(400, "invalid_request",
                  "a target is a path, or begins with http:// or https:// and a host");
  }
  if (auto refused = refuse_host(head, rules)) return std::move(*refused);
  auto verdict = choose_by_path(head, rules, loopback);
  verdict.privileged = verdict.privileged || loopback;
  return verdict;
}

}  // namespace

HttpReply make_http_error(unsigned status, std::string_view code, std::string_view message) {
  HttpReply reply;
  reply.status = status;
  reply.body = "{\"error\":{\"code\":" + json_string(code) +
               ",\"message\":" + json_string(message) + "}}\n";
  return reply;
}

Verdict choose_route(const RequestHead& head, const RouteRules& rules) {
  auto verdict = choose(head, rules);
  verdict.handshake = head.upgrade;
  return verdict;
}

HttpReply make_page(std::string_view html, std::string_view host) {
  HttpReply reply;
  reply.body = std::string(html);
  reply.content_type = "text/html; charset=utf-8";
  // Some browsers do not count ws: as 'self', so the socket's address stands there in full.
  std::string connect = "connect-src 'self'";
  if (is_plain_host(host)) {
    connect += " ws://" + std::string(host) + " wss://" + std::string(host);
  }
  reply.headers = {{"Content-Security-Policy",
                    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
                    "img-src data:; " + connect +
                        "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
                   {"Referrer-Policy", "no-referrer"}};
  return reply;
}

}  // namespace pgtide
