#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "gateway/gatekeeper.hpp"

// Where a request may carry a credential, and whose it is (PROTOCOL 1).
namespace pgtide {

struct RequestHead;
struct RouteRules;

// The first of these that is there: the headers Authorization (Bearer) or X-API-Key, a
// subprotocol, the query. Total over any bytes.
struct Credential {
  enum class Kind { none, token, key, several };
  enum class Place { header, subprotocol, query };
  Kind kind = Kind::none;
  Place place = Place::header;
  std::string_view text{};
};
// `with_socket`: subprotocol and query are looked at as well.
Credential find_credential(const RequestHead& head, const RouteRules& rules, bool with_socket);

// None: anonymous. An error says what is wrong with the credential.
Result<std::optional<Identity>> identify(const Credential& credential, const RouteRules& rules,
                                         std::string_view address);

// What a connection is told whose credential's key was taken out.
inline constexpr std::string_view ended_credential =
    "the key of this credential is not accepted here any more: come back with another one";
// That, where it was taken out since it was identified; else empty. A session asks when it joins:
// who ends the credentials of a key that goes looks at those that have joined.
std::string find_ended(const std::optional<Identity>& identity, const RouteRules& rules);

}  // namespace pgtide
