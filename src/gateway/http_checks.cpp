#include "gateway/http_checks.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

namespace pgtide {
namespace {

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

bool equal_without_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

bool starts_without_case(std::string_view text, std::string_view start) {
  return equal_without_case(text.substr(0, start.size()), start);
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// "127.0.0.1" to "127.255.255.255": only digits and dots, so that "127.evil.example" is none.
bool is_loopback_v4(std::string_view host) {
  return host.starts_with("127.") && std::ranges::count(host, '.') == 3 &&
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

std::string_view host_of_origin(std::string_view origin) {
  const auto at = origin.find("://");
  if (at == std::string_view::npos) return {};
  const std::string_view authority = origin.substr(at + 3);
  // An origin is scheme, host and port (RFC 6454, 7); what has more was written by no browser.
  return authority.find_first_of("@/?#\\") == std::string_view::npos ? host_name(authority)
                                                                     : std::string_view{};
}

}  // namespace

std::string_view path_of(std::string_view target) { return target.substr(0, target.find('?')); }

std::string_view query_of(std::string_view target) {
  const auto mark = target.find('?');
  return mark == std::string_view::npos ? std::string_view{} : target.substr(mark + 1);
}

std::string_view host_name(std::string_view host) {
  host = trimmed(host);
  if (host.starts_with('[')) {
    const auto end = host.find(']');
    return end == std::string_view::npos ? std::string_view{} : host.substr(1, end - 1);
  }
  return host.substr(0, host.find(':'));
}

bool host_allowed(std::string_view host, const std::vector<std::string>& allowed_origins) {
  const auto name = host_name(host);
  if (name.empty()) return false;
  if (equal_without_case(name, "localhost") || name == "::1" || is_loopback_v4(name)) return true;
  return std::ranges::any_of(allowed_origins, [&](const std::string& allowed) {
    return allowed == "*" || equal_without_case(host_of_origin(allowed), name);
  });
}

bool name_hosts(const std::vector<std::string>& allowed_origins) {
  return std::ranges::any_of(allowed_origins, [](const std::string& allowed) {
    return allowed == "*" || !host_of_origin(allowed).empty();
  });
}

bool origin_allowed(std::string_view origin, std::string_view host,
                    const std::vector<std::string>& allowed_origins) {
  if (origin.empty()) return true;
  if (allowed_origins.empty()) {
    const auto name = host_of_origin(origin);
    return !name.empty() && equal_without_case(name, host_name(host));
  }
  return std::ranges::any_of(allowed_origins, [&](const std::string& allowed) {
    return allowed == "*" || equal_without_case(allowed, origin);
  });
}

bool is_address(std::string_view host) {
  const std::string name(host_name(host));
  in6_addr parsed{};
  return ::inet_pton(AF_INET, name.c_str(), &parsed) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), &parsed) == 1;
}

bool tells_of_proxy(std::string_view field_name) {
  static constexpr std::array<std::string_view, 14> names{
      "Forwarded",          "Via",           "X-Real-IP",        "CF-Connecting-IP",
      "CF-Connecting-IPv6", "True-Client-IP", "X-Client-IP",     "X-Cluster-Client-IP",
      "Fastly-Client-IP",   "Fly-Client-IP", "X-Azure-ClientIP", "X-Envoy-External-Address",
      "X-Original-For",     "CDN-Loop"};
  if (starts_without_case(field_name, "X-Forwarded-")) return true;
  return std::ranges::any_of(
      names, [&](std::string_view name) { return equal_without_case(name, field_name); });
}

bool is_json_type(std::string_view content_type) {
  const auto type = content_type.substr(0, content_type.find(';'));
  return equal_without_case(trimmed(type), "application/json");
}

bool is_socket_key(std::string_view key) {
  constexpr std::size_t digits = 22;  // of 6 bits; then the padding
  return key.size() == digits + 2 && key.ends_with("==") &&
         std::ranges::all_of(key.substr(0, digits), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '+' || c == '/';
         });
}

std::optional<std::string_view> find_bearer(std::string_view authorization) {
  constexpr std::string_view scheme = "bearer";
  authorization = trimmed(authorization);
  if (!starts_without_case(authorization, scheme)) return std::nullopt;
  const auto rest = authorization.substr(scheme.size());
  if (!rest.empty() && rest.front() != ' ' && rest.front() != '\t') return std::nullopt;
  return trimmed(rest);
}

Subprotocols find_subprotocols(std::string_view offered) {
  constexpr std::string_view prefix = "pgtide.bearer.";
  Subprotocols found;
  while (!offered.empty()) {
    const auto comma = offered.find(',');
    const auto token = trimmed(offered.substr(0, comma));
    found.pgtide |= token == "pgtide";
    if (token.starts_with(prefix)) {
      ++found.tokens;
      found.token = token.substr(prefix.size());
    }
    offered = comma == std::string_view::npos ? std::string_view{} : offered.substr(comma + 1);
  }
  return found;
}

}  // namespace pgtide
