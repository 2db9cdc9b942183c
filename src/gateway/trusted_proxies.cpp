#include "gateway/trusted_proxies.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "gateway/http_checks.hpp"

namespace pgtide {
namespace {

constexpr unsigned mapped_bits = 96;  // ::ffff:0:0/96 (RFC 4291, 2.5.5.2)

// One entry: an address, perhaps with a port ("1.2.3.4:567", "[fd00::1]:567").
std::string_view without_port(std::string_view entry) {
  if (entry.starts_with('[') || std::ranges::count(entry, ':') == 1) return host_name(entry);
  return entry;
}

std::string_view without_spaces(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

std::optional<TrustedProxies::Address> TrustedProxies::parse_address(std::string_view text) {
  const std::string ended(text);
  Address address{};
  if (::inet_pton(AF_INET6, ended.c_str(), address.data()) == 1) return address;
  address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (::inet_pton(AF_INET, ended.c_str(), address.data() + 12) == 1) return address;
  return std::nullopt;
}

std::optional<TrustedProxies::Network> TrustedProxies::parse_network(std::string_view text) {
  const auto slash = text.find('/');
  const auto base = parse_address(text.substr(0, slash));
  if (!base) return std::nullopt;
  if (slash == std::string_view::npos) return Network{*base, 128};
  const auto digits = text.substr(slash + 1);
  unsigned bits = 0;
  const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  const bool four = text.find(':') == std::string_view::npos;
  const bool whole = fault == std::errc{} && end == digits.data() + digits.size();
  if (!whole || bits > (four ? 32U : 128U)) return std::nullopt;
  return Network{*base, four ? mapped_bits + bits : bits};
}

Result<TrustedProxies> TrustedProxies::parse(const std::vector<std::string>& texts) {
  TrustedProxies proxies;
  for (const std::string& text : texts) {
    const auto network = parse_network(text);
    if (!network) {
      return Error{ErrorKind::invalid,
                   "'" + text + "' is no address and no network such as 10.0.0.0/8",
                   "server.trusted_proxies"};
    }
    proxies.networks_.push_back(*network);
  }
  return proxies;
}

bool TrustedProxies::trusts(std::string_view address) const {
  const auto parsed = parse_address(address);
  return parsed && trusts(*parsed);
}

bool TrustedProxies::trusts(const Address& address) const {
  return std::ranges::any_of(networks_, [&](const Network& network) {
    const unsigned whole = network.bits / 8;
    const unsigned rest = network.bits % 8;
    if (!std::equal(address.begin(), address.begin() + whole, network.base.begin())) return false;
    if (rest == 0) return true;
    const auto differing = static_cast<unsigned>(address[whole] ^ network.base[whole]);
    return differing >> (8 - rest) == 0;
  });
}

std::optional<std::string> TrustedProxies::find_client(std::string_view peer,
                                                       std::string_view forwarded) const {
  auto at = parse_address(peer);
  std::optional<std::string> client;
  while (at && trusts(*at) && !forwarded.empty()) {
    const auto comma = forwarded.rfind(',');
    const auto start = comma == std::string_view::npos ? 0 : comma + 1;
    const auto entry = without_port(without_spaces(forwarded.substr(start)));
    forwarded = comma == std::string_view::npos ? "" : forwarded.substr(0, comma);
    at = parse_address(entry);
    if (at) client = std::string(entry);
  }
  return client;
}

}  // namespace pgtide
