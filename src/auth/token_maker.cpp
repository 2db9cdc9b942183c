#include "auth/token_maker.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "auth/algorithm.hpp"
#include "auth/base64url.hpp"
#include "auth/claims.hpp"
#include "auth/key_ring.hpp"
#include "auth/verifying_key.hpp"

namespace pgtide {
namespace {

using nlohmann::ordered_json;

Error refused(std::string message, std::string context = {}) {
  return {ErrorKind::invalid, std::move(message), std::move(context)};
}

std::int64_t seconds_of(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

const Algorithm* choose_algorithm(const Config::Jwt& jwt) {
  for (const std::string& name : jwt.algorithms) {
    const Algorithm* known = find_algorithm(name);
    if (known != nullptr && known->family == KeyFamily::secret) return known;
  }
  return nullptr;
}

// Where a path of objects ends; null where a claim that is no object stands in the way.
ordered_json* make_place(ordered_json& claims, const std::string& path) {
  ordered_json* at = &claims;
  std::size_t start = 0;
  for (std::size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', start)) {
    at = &(*at)[path.substr(start, dot - start)];
    if (!at->is_null() && !at->is_object()) return nullptr;
    start = dot + 1;
  }
  return &(*at)[path.substr(start)];
}

bool is_own(const std::string& name, const Config::Jwt& jwt) {
  const std::string_view own[] = {jwt.id_claim, jwt.roles_claim, "iat", "exp", "iss", "aud"};
  return std::find(std::begin(own), std::end(own), name) != std::end(own);
}

Result<void> add_claims(ordered_json& claims, const TokenWish& wish, const Config::Jwt& jwt) {
  for (const auto& [name, text] : wish.claims) {
    if (name.empty()) return refused("a claim needs a name: write --claim name=JSON");
    if (is_own(name, jwt)) return refused("pgtide sets this claim itself", name);
    ordered_json value = ordered_json::parse(text, nullptr, false);
    if (value.is_discarded()) {
      return refused("the claim is no JSON; a text needs its quotes: '" + name + "=\"text\"'",
                     name);
    }
    claims[name] = std::move(value);
  }
  return {};
}

std::string print(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

Result<std::string> make_payload(const Config::Jwt& jwt, const TokenWish& wish) {
  ordered_json claims = ordered_json::object();
  if (auto added = add_claims(claims, wish, jwt); !added) return added.error();
  ordered_json* id = make_place(claims, jwt.id_claim);
  ordered_json* roles = wish.roles.empty() ? nullptr : make_place(claims, jwt.roles_claim);
  if (id == nullptr || (roles == nullptr && !wish.roles.empty())) {
    return refused("a claim of yours stands where auth.jwt puts id or roles");
  }
  *make_place(claims, jwt.id_claim) = wish.user;
  if (!wish.roles.empty()) *make_place(claims, jwt.roles_claim) = wish.roles;
  claims["iat"] = seconds_of(wish.now);
  if (wish.expires_at) claims["exp"] = seconds_of(*wish.expires_at);
  if (!jwt.issuer.empty()) claims["iss"] = jwt.issuer;
  if (!jwt.audience.empty()) claims["aud"] = jwt.audience;
  return print(claims);
}

}  // namespace

Result<std::string> make_token(const Config::Auth& auth, const TokenWish& wish) {
  const Algorithm* algorithm = choose_algorithm(auth.jwt);
  if (algorithm == nullptr) {
    return refused("lists no algorithm with a secret (HS256, HS384, HS512)", "auth.jwt.algorithms");
  }
  const auto secret = load_secret(auth.jwt);
  if (!secret) return secret.error();
  const auto payload = make_payload(auth.jwt, wish);
  if (!payload) return payload.error();
  // What would not be accepted is not made.
  if (auto accepted = read_claims(*payload, auth.jwt, wish.now); !accepted) {
    return refused(accepted.error().message);
  }
  for (const Config::ApiKey& key : auth.api_keys) {
    if (key.name != wish.user) continue;
    return refused("is the name of an API key: choose another user", key.name);
  }
  const std::string typ = auth.jwt.typ.empty() ? "JWT" : auth.jwt.typ;
  const std::string header = print(ordered_json{{"alg", algorithm->name}, {"typ", typ}});
  const std::string text = encode_base64url(header) + "." + encode_base64url(*payload);
  return text + "." + encode_base64url(sign_with_secret(*algorithm, *secret, text));
}

}  // namespace pgtide
