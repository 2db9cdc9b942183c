#include "auth/authenticator.hpp"

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
namespace {

Error denied(std::string message) {
  return {ErrorKind::denied, std::move(message)};
}

Error no_jwt() {
  return denied("this is no JWT: three parts of base64url without padding, with dots between them");
}

// The parts as they stand in the token.
struct Parts {
  std::string_view signed_text{};  // header and payload, with their dot
  std::string_view header{};
  std::string_view payload{};
  std::string_view signature{};
};

std::optional<Parts> split(std::string_view token) {
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  if (token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
  return Parts{token.substr(0, second), token.substr(0, first),
               token.substr(first + 1, second - first - 1), token.substr(second + 1)};
}

struct Header {
  const Algorithm* algorithm = nullptr;
  std::optional<std::string> key_id{};
};

std::string names_of(const KeyRing& ring) {
  std::string names;
  for (const Algorithm* each : ring.accepted) {
    names += (names.empty() ? "" : ", ") + std::string(each->name);
  }
  return names;
}

Result<Header> read_header(std::string_view text, const KeyRing& ring) {
  const auto header = parse_strict_object(text);
  if (!header) return denied("the token's header is no JSON object, or holds a member twice");
  if (header->contains("crit")) return denied("the token's crit is not supported");
  Header found;
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

bool is_candidate(const NamedKey& named, const Header& header) {
  if (!named.key.fits(*header.algorithm)) return false;
  if (!named.algorithm.empty() && named.algorithm != header.algorithm->name) return false;
  // A key of the configuration itself has no id, and is meant for every token.
  return !header.key_id || !named.id || *named.id == *header.key_id;
}

Result<void> check_signature(const Parts& parts, const Header& header, const KeyRing& ring) {
  const auto signature = decode_base64url(parts.signature);
  if (!signature) return no_jwt();
  bool tried = false;
  for (const NamedKey& named : ring.keys) {
    if (!is_candidate(named, header)) continue;
    tried = true;
    if (named.key.verify(*header.algorithm, parts.signed_text, *signature)) return {};
  }
  if (!tried) return denied("no key of this server fits the token's alg and kid");
  return denied("the token's signature is wrong");
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

}  // namespace

Authenticator::Authenticator(const Config::Auth& auth)
    : jwt_(auth.jwt), stamps_(stamp_files(auth.jwt)) {
  for (const Config::ApiKey& key : auth.api_keys) {
    api_keys_.push_back({from_hex(key.sha256), {.id = key.name, .roles = key.roles}});
  }
}

Result<std::shared_ptr<Authenticator>> Authenticator::make(const Config::Auth& auth) {
  std::string faults;
  for (const Config::ApiKey& key : auth.api_keys) {
    const std::string fault = api_key_fault(key);
    if (!fault.empty()) faults += (faults.empty() ? "" : "\n") + fault;
  }
  std::shared_ptr<Authenticator> made(new Authenticator(auth));
  auto ring = load_key_ring(auth.jwt);
  if (!ring) faults += (faults.empty() ? "" : "\n") + ring.error().to_string();
  if (!faults.empty()) return Error{ErrorKind::invalid, faults};
  made->ring_.store(std::move(*ring));
  return made;
}

Result<Identity> Authenticator::verify_token(std::string_view token,
                                             std::chrono::system_clock::time_point now) const {
  const std::shared_ptr<const KeyRing> ring = ring_.load();
  if (ring->accepted.empty()) return denied("this server knows no tokens: connect without one");
  if (token.size() > token_bytes_max) return denied("the token is longer than 16384 bytes");
  const auto parts = split(token);
  if (!parts) return no_jwt();
  const auto header_text = decode_base64url(parts->header);
  const auto payload = decode_base64url(parts->payload);
  if (!header_text || !payload) return no_jwt();
  const auto header = read_header(*header_text, *ring);
  if (!header) return header.error();
  if (auto genuine = check_signature(*parts, *header, *ring); !genuine) return genuine.error();
  return read_claims(*payload, jwt_, now);
}

Result<Identity> Authenticator::verify_key(std::string_view key) const {
  if (api_keys_.empty()) return denied("this server knows no API keys: connect without one");
  const std::string hash = sha256(key);
  const ApiKey* found = nullptr;
  for (const ApiKey& each : api_keys_) {
    if (equal_in_constant_time(each.hash, hash)) found = &each;
  }
  if (found == nullptr) return denied("this API key is not known here");
  return Identity{found->principal, std::nullopt};
}

Result<bool> Authenticator::reload_if_changed() {
  auto stamps = stamp_files(jwt_);
  if (stamps == stamps_) return false;
  stamps_ = std::move(stamps);
  auto ring = reload_key_ring(jwt_);
  if (!ring) return ring.error();
  ring_.store(std::move(*ring));
  return true;
}

std::string Authenticator::key_warnings() const {
  return ring_.load()->warnings;
}

bool Authenticator::has_files() const {
  return !jwt_.secret_file.empty() || !jwt_.public_key_file.empty() || !jwt_.jwks_file.empty();
}

}  // namespace pgtide
