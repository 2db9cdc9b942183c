#include "gateway/credentials.hpp"

#include "gateway/http_checks.hpp"
#include "gateway/http_routes.hpp"

namespace pgtide {
namespace {

using Kind = Credential::Kind;
using Place = Credential::Place;

// Two in the headers are one too many: which of them a proxy before us has looked at is not known.
Credential find_in_headers(const RequestHead& head) {
  const auto bearer = find_bearer(head.authorization);
  const bool twice = head.authorization_count > 1 || head.api_key_count > 1;
  if (twice || (bearer && head.api_key_count > 0)) return {Kind::several, Place::header};
  if (bearer) return {Kind::token, Place::header, *bearer};
  if (head.api_key_count > 0) return {Kind::key, Place::header, head.api_key};
  return {};
}

Credential find_in_subprotocols(std::string_view offered) {
  const auto found = find_subprotocols(offered);
  if (found.tokens == 0) return {};
  if (found.tokens > 1) return {Kind::several, Place::subprotocol};
  return {Kind::token, Place::subprotocol, found.token};
}

Credential find_in_query(std::string_view target) {
  std::string_view query = query_of(target);
  Credential found;
  while (!query.empty()) {
    const auto end = query.find('&');
    const auto pair = query.substr(0, end);
    if (pair.starts_with("token=")) {
      if (found.kind != Kind::none) return {Kind::several, Place::query};
      found = {Kind::token, Place::query, pair.substr(6)};
    }
    query = end == std::string_view::npos ? "" : query.substr(end + 1);
  }
  return found;
}

}  // namespace

Credential find_credential(const RequestHead& head, const RouteRules& rules, bool with_socket) {
  auto found = find_in_headers(head);
  if (!with_socket) return found;
  if (found.kind == Kind::none) found = find_in_subprotocols(head.subprotocols);
  if (found.kind == Kind::none && rules.query_token) found = find_in_query(head.target);
  return found;
}

Result<std::optional<Identity>> identify(const Credential& credential, const RouteRules& rules,
                                         std::string_view address) {
  if (credential.kind == Kind::none) return std::optional<Identity>{};
  if (credential.kind == Kind::several) {
    return Error{ErrorKind::denied, "there are several credentials: send one"};
  }
  if (!rules.gatekeeper) {
    return Error{ErrorKind::denied,
                 "this server knows no tokens and no API keys: connect without one"};
  }
  auto known = credential.kind == Kind::token ? rules.gatekeeper->by_token(credential.text, address)
                                              : rules.gatekeeper->by_key(credential.text, address);
  if (!known) return known.error();
  return std::optional<Identity>(std::move(*known));
}

std::string find_ended(const std::optional<Identity>& identity, const RouteRules& rules) {
  if (!identity || !rules.gatekeeper) return {};
  const bool accepted = rules.gatekeeper->still_accepts(identity->principal, identity->key);
  return accepted ? std::string() : std::string(ended_credential);
}

}  // namespace pgtide
