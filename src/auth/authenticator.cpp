#include "auth/authenticator.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "auth/base64url.hpp"
#include "auth/claims.hpp"
#include "auth/strict_json.hpp"

// A token in its compact form (RFC 7515, 7.1), read by the advice of RFC 8725: the key's kind
// decides what a signature can be, and the header only chooses among what the configuration
// accepts. Nothing of the payload is looked at before the signature is right.
namespace pgtide {

// The parts as they stand in the token.
struct TokenParts {
  std::string_view whole{};
  std::string_view signed_text{};  // header and payload, with their dot
  std::string_view header{};
  std::string_view payload{};
  std::string_view signature{};
};

struct TokenHeader {
  const Algorithm* algorithm = nullptr;
  std::optional<std::string> key_id{};
};

namespace {

Error denied(std::string message) {
  return {ErrorKind::denied, std::move(message)};
}

Error no_jwt() {
  return denied("this is no JWT: three parts of base64url without padding, with dots between them");
}

std::optional<TokenParts> split(std::string_view token) {
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  if (token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
  return TokenParts{token, token.substr(0, second), token.substr(0, first),
                    token.substr(first + 1, second - first - 1), token.substr(second + 1)};
}

std::string names_of(const KeyRing& ring) {
  std::string names;
  for (const Algorithm* each : ring.accepted) {
    names += (names.empty() ? "" : ", ") + std::string(each->name);
  }
  return names;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 'a' - 'A') : c; }

// A media type, whose "application/" may be left out (RFC 7515, 4.1.9; RFC 8725, 3.11).
std::string media_type(std::string_view typ) {
  constexpr std::string_view usual = "application/";
  std::string type;
  for (const char c : typ) type += lower(c);
  if (type.starts_with(usual) && type.find('/', usual.size()) == std::string::npos) {
    type.erase(0, usual.size());
  }
  return type;
}

Result<void> check_typ(const nlohmann::json& header, const std::string& wanted) {
  if (wanted.empty()) return {};
  const auto typ = header.find("typ");
  if (typ == header.end()) return denied("the token has no typ, and this server wants one");
  if (typ->is_string() && media_type(typ->get<std::string>()) == media_type(wanted)) return {};
  return denied("the token's typ is not the one that is accepted here: it has another use");
}

Result<TokenHeader> read_header(std::string_view text, const KeyRing& ring,
                                const std::string& typ) {
  if (holds_more_values(text, Authenticator::header_values_max)) {
    return denied("the token's header holds too much");
  }
  const auto header = parse_strict_object(text);
  if (!header) return denied("the token's header is no JSON object, or holds a member twice");
  if (header->contains("crit")) return denied("the token's crit is not supported");
  if (auto fits = check_typ(*header, typ); !fits) return fits.error();
  TokenHeader found;
  const auto name = header->find("alg");
  if (name != header->end() && name->is_string()) {
    found.algorithm = ring.find_accepted(name->get_ref<const std::string&>());
  }
  if (found.algorithm == nullptr) {
    return denied("the token's algorithm (alg) is not accepted here: sign with " + names_of(ring));
  }
  const auto id = header->find("kid");
  if (id == header->end()) return found;
  if (!id->is_string()) return denied("the token's kid is no text");
  found.key_id = id->get<std::string>();
  return found;
}

bool is_candidate(const NamedKey& named, const TokenHeader& header) {
  if (!named.key.fits(*header.algorithm)) return false;
  if (!named.algorithm.empty() && named.algorithm != header.algorithm->name) return false;
  // A key of the configuration itself has no id, and is meant for every token.
  return !header.key_id || !named.id || *named.id == *header.key_id;
}

// Is there still that key, for such a token?
bool holds(const KeyRing& ring, const TokenHeader& header, KeyPrint fingerprint) {
  return std::any_of(ring.keys.begin(), ring.keys.end(), [&](const NamedKey& named) {
    return is_candidate(named, header) && named.key.fingerprint() == fingerprint;
  });
}

Error not_computed() {
  return {ErrorKind::unavailable,
          "too many wrong tokens came, from this address or from many, and this one is not known "
          "from before: try again in a second"};
}

std::string from_hex(const std::string& digits) {
  const auto value = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return (c | 0x20) - 'a' + 10;
  };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes += static_cast<char>(value(digits[i]) << 4 | value(digits[i + 1]));
  }
  return bytes;
}

// Of keys that did not come through the configuration file, which says the same with a place.
std::string api_key_fault(const Config::ApiKey& key) {
  constexpr std::string_view digits = "0123456789abcdefABCDEF";
  if (key.name.empty()) return "auth.api_keys: a key has no name";
  const bool hash =
      key.sha256.size() == 64 && key.sha256.find_first_not_of(digits) == std::string::npos;
  return hash ? "" : "auth.api_keys: the sha256 of a key must be 64 hexadecimal digits";
}

std::string api_key_faults(const std::vector<Config::ApiKey>& keys) {
  std::string faults;
  for (const Config::ApiKey& key : keys) {
    const std::string fault = api_key_fault(key);
    if (!fault.empty()) faults += (faults.empty() ? "" : "\n") + fault;
  }
  return faults;
}

KeyPrint fingerprint_of(const std::string& hash, const Config::ApiKey& key) {
  nlohmann::json roles = key.roles;
  const std::string text = nlohmann::json{key.name, std::move(roles)}.dump(
      -1, ' ', false, nlohmann::json::error_handler_t::replace);
  return print_of("API key " + hash + text);
}

}  // namespace

Authenticator::Authenticator(const Config::Auth& auth)
    : jwt_(auth.jwt), stamps_(stamp_files(auth.jwt)) {}

// The right key may come late among many: who has more than a few of one kind names them by kid.
Result<KeyPrint> Authenticator::check_signature(const TokenParts& parts, const TokenHeader& header,
                                                const KeyRing& ring, Effort& effort) const {
  const auto signature = decode_base64url(parts.signature);
  if (!signature) return no_jwt();
  const bool is_cheap = header.algorithm->family == KeyFamily::secret;
  const std::string digest = is_cheap ? std::string() : verified_.digest_of(parts.whole);
  const auto known = is_cheap ? std::nullopt : verified_.find(digest);
  if (known && holds(ring, header, *known)) return *known;
  bool fits = false;
  std::size_t tries = 0;
  for (const NamedKey& named : ring.keys) {
    if (!is_candidate(named, header)) continue;
    fits = true;
    if (!named.key.takes_size(*header.algorithm, signature->size())) continue;
    if (++tries > tries_max) {
      return denied("none of the first 4 keys that fit the token has signed it; there are more: "
                    "name its key in the token's header (kid)");
    }
    if (effort.none && !is_cheap) return not_computed();
    ++signature_checks_;
    effort.wasted += named.key.cost();
    if (!named.key.verify(*header.algorithm, parts.signed_text, *signature)) continue;
    effort.wasted = {};
    if (!is_cheap) verified_.note(digest, named.key.fingerprint());
    return named.key.fingerprint();
  }
  if (!fits) return denied("no key of this server fits the token's alg and kid");
  return denied("the token's signature is wrong");
}

std::shared_ptr<const Authenticator::ApiKeys> Authenticator::make_api_keys(
    const std::vector<Config::ApiKey>& listed) {
  auto keys = std::make_shared<ApiKeys>();
  for (const Config::ApiKey& key : listed) {
    const std::string hash = from_hex(key.sha256);
    keys->insert_or_assign(
        hash, ApiKey{{.id = key.name, .roles = key.roles}, fingerprint_of(hash, key)});
  }
  return keys;
}

Result<std::shared_ptr<Authenticator>> Authenticator::make(const Config::Auth& auth) {
  std::string faults = api_key_faults(auth.api_keys);
  std::shared_ptr<Authenticator> made(new Authenticator(auth));
  auto ring = load_key_ring(auth.jwt);
  if (!ring) faults += (faults.empty() ? "" : "\n") + ring.error().to_string();
  if (!faults.empty()) return Error{ErrorKind::invalid, faults};
  made->ring_.store(std::move(*ring));
  made->api_keys_.store(make_api_keys(auth.api_keys));
  return made;
}

Result<Identity> Authenticator::verify_token(std::string_view token,
                                             std::chrono::system_clock::time_point now,
                                             Effort& effort) const {
  const std::shared_ptr<const KeyRing> ring = ring_.load();
  if (ring->accepted.empty()) return denied("this server knows no tokens: connect without one");
  if (token.size() > token_bytes_max) return denied("the token is longer than 16384 bytes");
  const auto parts = split(token);
  if (!parts) return no_jwt();
  const auto header_text = decode_base64url(parts->header);
  const auto payload = decode_base64url(parts->payload);
  if (!header_text || !payload) return no_jwt();
  const auto header = read_header(*header_text, *ring, jwt_.typ);
  if (!header) return header.error();
  const auto key = check_signature(*parts, *header, *ring, effort);
  if (!key) return key.error();
  auto identity = read_claims(*payload, jwt_, now);
  if (!identity) return identity;
  if (is_api_key_name(identity->principal.id)) {
    return denied("the token's " + jwt_.id_claim +
                  " is the name of an API key of this server, for which no token speaks");
  }
  identity->key = *key;
  return identity;
}

bool Authenticator::is_api_key_name(std::string_view name) const {
  const auto keys = api_keys_.load();
  return std::any_of(keys->begin(), keys->end(),
                     [name](const auto& each) { return each.second.principal.id == name; });
}

Result<Identity> Authenticator::verify_key(std::string_view key) const {
  const auto keys = api_keys_.load();
  if (keys->empty()) return denied("this server knows no API keys: connect without one");
  // What the look-up's time tells is of a hash that nobody can choose.
  const auto found = keys->find(sha256(key));
  if (found == keys->end()) return denied("this API key is not known here");
  return Identity{found->second.principal, std::nullopt, found->second.fingerprint};
}

bool Authenticator::still_accepts(const Principal& principal, KeyPrint key) const {
  const auto api_keys = api_keys_.load();
  if (std::any_of(api_keys->begin(), api_keys->end(),
                  [key](const auto& each) { return each.second.fingerprint == key; })) {
    return true;
  }
  const auto ring = ring_.load();
  return !is_api_key_name(principal.id) &&
         std::any_of(ring->keys.begin(), ring->keys.end(), [key](const NamedKey& each) {
           return each.key.fingerprint() == key;
         });
}

Result<bool> Authenticator::reload_if_changed() {
  auto stamps = stamp_files(jwt_);
  if (stamps == stamps_ && file_fault_.load() == nullptr) return false;
  auto ring = reload_key_ring(jwt_);
  if (!ring) {
    file_fault_.store(std::make_shared<const std::string>(ring.error().to_string()));
    return ring.error();
  }
  stamps_ = std::move(stamps);
  ring_.store(std::move(*ring));
  file_fault_.store(nullptr);
  return true;
}

Result<bool> Authenticator::replace_api_keys(const Result<std::vector<Config::ApiKey>>& read) {
  const std::string fault = read ? api_key_faults(*read) : read.error().to_string();
  if (!fault.empty()) {
    api_key_fault_.store(std::make_shared<const std::string>(fault));
    return Error{ErrorKind::invalid, fault};
  }
  auto keys = make_api_keys(*read);
  const auto before = api_keys_.load();
  const bool changed = !std::equal(
      keys->begin(), keys->end(), before->begin(), before->end(),
      [](const auto& a, const auto& b) { return a.second.fingerprint == b.second.fingerprint; });
  api_keys_.store(std::move(keys));
  api_key_fault_.store(nullptr);
  return changed;
}

std::string Authenticator::key_warnings() const {
  return ring_.load()->warnings;
}

std::vector<std::string> Authenticator::problems() const {
  std::vector<std::string> problems;
  const auto add = [&problems](std::string_view text, const std::string& what) {
    while (!text.empty()) {
      const auto line = text.substr(0, text.find('\n'));
      problems.push_back(std::string(line) + "; " + what);
      text.remove_prefix(std::min(text.size(), line.size() + 1));
    }
  };
  const std::string old_keys = "the old keys stay in force until it can be read";
  if (const Text fault = file_fault_.load()) add(*fault, old_keys);
  if (const Text fault = api_key_fault_.load()) add(*fault, "the old API keys stay in force");
  add(key_warnings(), "its tokens are refused");
  return problems;
}

bool Authenticator::has_files() const {
  return !jwt_.secret_file.empty() || !jwt_.public_key_file.empty() || !jwt_.jwks_file.empty();
}

}  // namespace pgtide
