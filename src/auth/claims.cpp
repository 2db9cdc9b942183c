#include "auth/claims.hpp"

#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "auth/strict_json.hpp"
#include "model/utf8.hpp"

// What is refused is thrown inside this file and caught in read_claims(), so that each check is one
// line.
namespace pgtide {
namespace {

using nlohmann::json;
using SystemTime = std::chrono::system_clock::time_point;
using Seconds = std::chrono::duration<double>;

// A time that a token may name: past it the number is no time. And the latest that is kept: the
// clock's own end lies in the year 2262.
constexpr double time_max = 1e15;
constexpr double kept_time_max = 9e9;
constexpr std::size_t roles_max = 1'000;

struct Refused {
  std::string message;
};
[[noreturn]] void deny(std::string message) {
  throw Refused{std::move(message)};
}

const json* find_top(const json& claims, const std::string& name) {
  const auto found = claims.find(name);
  return found == claims.end() ? nullptr : &*found;
}

// By its very name ("https://example.com/roles"), or as a path into objects ("realm_access.roles").
const json* find_claim(const json& claims, const std::string& name) {
  if (const json* whole = find_top(claims, name)) return whole;
  const json* at = &claims;
  for (std::size_t start = 0; at != nullptr && start <= name.size();) {
    const std::size_t dot = std::min(name.find('.', start), name.size());
    at = at->is_object() ? find_top(*at, name.substr(start, dot - start)) : nullptr;
    start = dot + 1;
  }
  return at;
}

// Seconds since 1970, a fraction allowed (RFC 7519, 2).
std::optional<SystemTime> take_time(const json& claims, const char* name) {
  const json* found = find_top(claims, name);
  if (found == nullptr) return std::nullopt;
  const double seconds = found->is_number() ? found->get<double>() : -1;
  if (!std::isfinite(seconds) || seconds < 0 || seconds > time_max) {
    deny("the token's " + std::string(name) + " is no time in seconds since 1970");
  }
  const Seconds kept(std::min(seconds, kept_time_max));
  return SystemTime(std::chrono::duration_cast<SystemTime::duration>(kept));
}

std::optional<SystemTime> check_times(const json& claims, const Config::Jwt& jwt, SystemTime now) {
  (void)take_time(claims, "iat");
  const auto not_before = take_time(claims, "nbf");
  if (not_before && now + jwt.leeway < *not_before) deny("the token is not valid yet (nbf)");
  const auto expires_at = take_time(claims, "exp");
  if (!expires_at && jwt.require_expiry) deny("the token has no exp, and this server wants one");
  if (expires_at && now >= *expires_at + jwt.leeway) deny("the token has expired");
  return expires_at;
}

void check_issuer(const json& claims, const std::string& wanted) {
  if (wanted.empty()) return;
  const json* found = find_top(claims, "iss");
  if (found == nullptr) deny("the token has no iss, and this server wants its issuer's");
  if (*found != json(wanted)) deny("the token's issuer (iss) is not the one that is accepted here");
}

void check_audience(const json& claims, const std::string& wanted) {
  if (wanted.empty()) return;
  const json* found = find_top(claims, "aud");
  if (found == nullptr) deny("the token has no aud, and this server wants its own there");
  const json own(wanted);
  const bool listed =
      found->is_array() && std::find(found->begin(), found->end(), own) != found->end();
  if (*found != own && !listed) deny("the token is for another audience (aud)");
}

std::string take_id(const json& claims, const std::string& name) {
  const json* found = find_claim(claims, name);
  if (found == nullptr) deny("the token has no " + name + ", which says for whom it is");
  if (found->is_number_integer()) return found->dump();
  if (!found->is_string()) deny("the token's " + name + " is neither a text nor a whole number");
  const auto& id = found->get_ref<const std::string&>();
  if (id.empty()) deny("the token's " + name + " is empty");
  if (id.size() > principal_id_bytes_max) deny("the token's " + name + " is over 256 bytes");
  if (has_control_characters(id)) deny("the token's " + name + " holds control characters");
  return id;
}

std::vector<std::string> take_roles(const json& claims, const std::string& name) {
  const json* found = find_claim(claims, name);
  if (found == nullptr) return {};
  if (found->is_string()) return {found->get<std::string>()};
  const bool texts = found->is_array() && std::all_of(found->begin(), found->end(),
                                                      [](const json& e) { return e.is_string(); });
  if (!texts) deny("the token's " + name + " is neither a text nor a list of texts");
  if (found->size() > roles_max) deny("the token's " + name + " holds over 1000 roles");
  return found->get<std::vector<std::string>>();
}

// Without spaces; the text of numbers stays as it came.
std::string compact(std::string_view text) {
  std::string out(text.size(), '\0');
  std::size_t size = 0;
  if (simdjson::minify(text.data(), text.size(), out.data(), size) != simdjson::SUCCESS) {
    deny("the token's payload is no JSON object");
  }
  out.resize(size);
  return out;
}

}  // namespace

Result<Identity> read_claims(std::string_view payload, const Config::Jwt& jwt, SystemTime now) {
  const auto claims = parse_strict_object(payload);
  if (!claims) {
    return Error{ErrorKind::denied,
                 "the token's payload is no JSON object, or holds a claim twice"};
  }
  try {
    Identity identity;
    identity.expires_at = check_times(*claims, jwt, now);
    check_issuer(*claims, jwt.issuer);
    check_audience(*claims, jwt.audience);
    identity.principal.id = take_id(*claims, jwt.id_claim);
    identity.principal.roles = take_roles(*claims, jwt.roles_claim);
    identity.principal.claims = compact(payload);
    return identity;
  } catch (Refused& refused) {
    return Error{ErrorKind::denied, std::move(refused.message)};
  }
}

}  // namespace pgtide
