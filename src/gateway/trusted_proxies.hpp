#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgtide/result.hpp"

namespace pgtide {

// Whose X-Forwarded-For is believed (`server.trusted_proxies`). Pure; immutable.
class TrustedProxies {
 public:
  TrustedProxies() = default;
  // Addresses and networks: "10.0.0.1", "10.0.0.0/8", "fd00::/8". ErrorKind::invalid names the one
  // that is neither.
  static Result<TrustedProxies> parse(const std::vector<std::string>& texts);

  // The client's address where the request comes from `peer` with these X-Forwarded-For lines,
  // joined by ',': the rightmost that no trusted proxy has; what stands left of it anybody may have
  // written. None: the peer itself is the client.
  std::optional<std::string> find_client(std::string_view peer, std::string_view forwarded) const;

  // Is this a trusted proxy? Total over any text.
  bool trusts(std::string_view address) const;

 private:
  using Address = std::array<std::uint8_t, 16>;  // IPv4 mapped into IPv6
  struct Network {
    Address base{};
    unsigned bits = 128;
  };
  static std::optional<Address> parse_address(std::string_view text);
  static std::optional<Network> parse_network(std::string_view text);
  bool trusts(const Address& address) const;

  std::vector<Network> networks_{};
};

}  // namespace pgtide
