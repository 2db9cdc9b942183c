#include "config/auth_keys.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "config/key_kinds.hpp"
#include "model/utf8.hpp"
#include "model/wording.hpp"

// `auth` of config.yaml. Secrets are read here and never quoted: a fault of one says what is wrong
// without the value. Whether the keys fit the algorithms is decided where they are loaded.
namespace pgtide {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr std::size_t name_bytes_max = 256;  // of a principal's id, as a token's may be
constexpr std::size_t api_keys_max = 1'000;  // each is compared with every key that comes

std::string algorithm_fault(const std::string& name) {
  static const std::vector<std::string> known{"HS256", "HS384", "HS512", "RS256", "RS384",
                                              "RS512", "PS256", "PS384", "PS512", "ES256",
                                              "ES384", "ES512", "EdDSA"};
  if (std::find(known.begin(), known.end(), name) != known.end()) return {};
  if (name == "none") return "must not hold none: such a token is signed by nobody";
  return "must hold HS, RS, PS or ES with 256, 384 or 512, or EdDSA; not " + quoted(name) +
         did_you_mean(name, known);
}

std::string claim_fault(const std::string& name) {
  return name.empty() ? "must name a claim" : "";
}

std::string text_of_key_fault(const YamlNode& node, std::string_view what) {
  const bool text = node.kind == YamlNode::Kind::scalar && !node.text.empty();
  if (!text || !is_utf8(node.text) || has_control_characters(node.text)) {
    return "must have a text as " + std::string(what);
  }
  if (node.text.size() > name_bytes_max) return "must have a shorter " + std::string(what);
  return {};
}

bool is_sha256(const YamlNode& node) {
  return node.kind == YamlNode::Kind::scalar && node.text.size() == 64 &&
         node.text.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
}

std::optional<Refusal> read_roles(const YamlNode& node, std::vector<std::string>& roles) {
  if (node.kind != YamlNode::Kind::list) {
    return Refusal{"must have a list as roles, such as [admin]", node.place};
  }
  for (const YamlNode& role : node.items) {
    if (auto why = text_of_key_fault(role, "role"); !why.empty()) return Refusal{why, role.place};
    roles.push_back(role.text);
  }
  return std::nullopt;
}

std::optional<Refusal> read_member(const YamlEntry& entry, Config::ApiKey& key) {
  if (entry.key == "roles") return read_roles(entry.value, key.roles);
  if (entry.key == "name") {
    auto why = text_of_key_fault(entry.value, "name");
    if (!why.empty()) return Refusal{why, entry.value.place};
    key.name = entry.value.text;
    return std::nullopt;
  }
  if (entry.key == "sha256") {
    // Perhaps the key itself stands there: it is not shown.
    if (!is_sha256(entry.value)) {
      return Refusal{"must have 64 hexadecimal digits as sha256: printf %s KEY | sha256sum",
                     entry.value.place};
    }
    key.sha256 = entry.value.text;
    return std::nullopt;
  }
  return Refusal{"must not hold " + quoted(entry.key) + "; known: name, sha256, roles" +
                     did_you_mean(entry.key, {"name", "sha256", "roles"}),
                 entry.place};
}

std::optional<Refusal> read_api_key(const YamlNode& node, Config::ApiKey& key) {
  if (node.kind != YamlNode::Kind::map) {
    return Refusal{"must hold maps, such as {name: backend, sha256: ..., roles: [admin]}",
                   node.place};
  }
  for (const YamlEntry& entry : node.entries) {
    if (auto refusal = read_member(entry, key)) return refusal;
  }
  if (key.name.empty()) return Refusal{"must have a name for each key", node.place};
  if (key.sha256.empty()) return Refusal{"must have a sha256 for each key", node.place};
  return std::nullopt;
}

std::optional<Refusal> read_api_keys(Config& config, const YamlNode& node) {
  if (node.kind != YamlNode::Kind::list) {
    return Refusal{"must be a list, such as [{name: backend, sha256: ..., roles: [admin]}]"};
  }
  if (node.items.size() > api_keys_max) {
    return Refusal{"must be at most " + std::to_string(api_keys_max) + " keys"};
  }
  std::vector<Config::ApiKey> keys;
  std::set<std::string> names;
  for (const YamlNode& item : node.items) {
    Config::ApiKey key;
    if (auto refusal = read_api_key(item, key)) return refusal;
    if (!names.insert(key.name).second) {
      return Refusal{"must have another name for each key; " + quoted(key.name) + " is there twice",
                     item.place};
    }
    keys.push_back(std::move(key));
  }
  config.auth.api_keys = std::move(keys);
  return std::nullopt;
}

// For people, so without the hashes.
std::string write_api_keys(const Config& config) {
  std::string out;
  for (const Config::ApiKey& key : config.auth.api_keys) {
    out += (out.empty() ? "" : ", ") + quoted(key.name);
  }
  return "[" + out + "]";
}

std::vector<KeyEntry> key_sources() {
  return {
      text_list_key(
          {"auth.jwt.algorithms",
           "The signatures that are accepted: HS256 to HS512, RS256 to RS512, PS256 to PS512, "
           "ES256 to ES512, EdDSA; each needs a key of its kind."},
          [](Config& c) -> std::vector<std::string>& { return c.auth.jwt.algorithms; },
          algorithm_fault),
      text_key({"auth.jwt.secret",
                "The shared secret of HS256 to HS512, at least 32 bytes; empty: none."},
               [](Config& c) -> std::string& { return c.auth.jwt.secret; }),
      text_key({"auth.jwt.secret_file",
                "A file that holds the secret instead, read anew when it changes; empty: none."},
               [](Config& c) -> std::string& { return c.auth.jwt.secret_file; }),
      text_key({"auth.jwt.public_key_file",
                "A PEM file with the issuer's public key, read anew when it changes; empty: "
                "none."},
               [](Config& c) -> std::string& { return c.auth.jwt.public_key_file; }),
      text_key({"auth.jwt.jwks_file",
                "A file with the issuer's JSON Web Key Set, read anew when it changes; empty: "
                "none."},
               [](Config& c) -> std::string& { return c.auth.jwt.jwks_file; }),
  };
}

std::vector<KeyEntry> claim_checks() {
  return {
      text_key({"auth.jwt.issuer", "What a token's iss must be; empty: not checked."},
               [](Config& c) -> std::string& { return c.auth.jwt.issuer; }),
      text_key({"auth.jwt.audience", "What a token's aud must be, or hold; empty: not checked."},
               [](Config& c) -> std::string& { return c.auth.jwt.audience; }),
      text_key({"auth.jwt.typ",
                "What the typ of a token's header must be, such as at+jwt; empty: not checked."},
               [](Config& c) -> std::string& { return c.auth.jwt.typ; }),
      switch_key({"auth.jwt.require_expiry", "Whether a token must have an exp."},
                 [](Config& c) -> bool& { return c.auth.jwt.require_expiry; }),
      text_key(
          {"auth.jwt.id_claim", "The claim that becomes user.id, a text or a whole number."},
          [](Config& c) -> std::string& { return c.auth.jwt.id_claim; }, claim_fault),
      text_key(
          {"auth.jwt.roles_claim",
           "The claim that becomes user.roles, a text or a list of texts; dots lead into objects."},
          [](Config& c) -> std::string& { return c.auth.jwt.roles_claim; }, claim_fault),
      duration_key({"auth.jwt.leeway",
                    "By how much clocks may differ; also how long a connection may outlive its "
                    "token to send a new one."},
                   [](Config& c) -> milliseconds& { return c.auth.jwt.leeway; },
                   {milliseconds{0}, hours{1}}),
  };
}

}  // namespace

std::vector<KeyEntry> auth_keys() {
  std::vector<KeyEntry> keys{
      switch_key({"auth.required",
                  "Whether a connection without a credential is closed, unless it sends auth "
                  "within limits.handshake_timeout."},
                 [](Config& c) -> bool& { return c.auth.required; }),
      switch_key({"auth.query_token",
                  "Whether ?token= is looked at, which other programs' logs may keep."},
                 [](Config& c) -> bool& { return c.auth.query_token; }),
  };
  for (auto make : {key_sources, claim_checks}) {
    std::vector<KeyEntry> part = make();
    std::move(part.begin(), part.end(), std::back_inserter(keys));
  }
  keys.push_back(file_key(
      {"auth.api_keys",
       "Keys for X-API-Key, each as {name: backend, sha256: <hex of the key>, roles: [admin]}."},
      read_api_keys, write_api_keys));
  return keys;
}

}  // namespace pgtide
