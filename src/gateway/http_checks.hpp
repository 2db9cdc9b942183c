#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What single header fields say (PROTOCOL 1 and 5). Pure; total over any bytes. Names of hosts and
// schemes are compared without regard to case.
namespace pgtide {

// "/a/b" of "/a/b?token=x": what routes are chosen by, and all that is ever logged of a target.
std::string_view path_of(std::string_view target);
// "token=x" of it; empty where there is none.
std::string_view query_of(std::string_view target);

// "example.org" of "example.org:8080", "::1" of "[::1]:8080"; empty where it is no host.
std::string_view host_name(std::string_view host);

// May we be addressed as `host` (DNS rebinding)? By a loopback name or address, or the host of an
// allowed origin.
bool host_allowed(std::string_view host, const std::vector<std::string>& allowed_origins);

// Does any of these origins have a host, or stand for all ("*")?
bool name_hosts(const std::vector<std::string>& allowed_origins);

// Is it an IP address? Such a host cannot be rebound: only a name can.
bool is_address(std::string_view host);

// Is `origin` allowed? Where the list is empty: the very host that the request was sent to (any
// port). An empty one is no Origin header and passes: such a request comes from no browser.
bool origin_allowed(std::string_view origin, std::string_view host,
                    const std::vector<std::string>& allowed_origins);

// Does a header of this name say that the request came through a proxy? "Forwarded", "Via",
// "X-Forwarded-*", and what proxies call their client's address.
bool tells_of_proxy(std::string_view field_name);

// "application/json", with or without parameters.
bool is_json_type(std::string_view content_type);

// 16 bytes in base64 (RFC 6455, 4.1), whichever they are.
bool is_socket_key(std::string_view key);

// What stands behind "Bearer"; none: another scheme, which is somebody else's.
std::optional<std::string_view> find_bearer(std::string_view authorization);

// What Sec-WebSocket-Protocol offers, among other things.
struct Subprotocols {
  bool pgtide = false;       // is then the answer
  std::size_t tokens = 0;    // how many "pgtide.bearer.<token>"
  std::string_view token{};  // the last of them
};
Subprotocols find_subprotocols(std::string_view offered);

}  // namespace pgtide
