#pragma once
#include <string>
#include <string_view>

namespace pgtide {

// By what limits per address count: an IPv4 address, or the /64 of an IPv6 address, which one
// customer has whole (RFC 6177). Spellings of one address are equal, IPv4 mapped into IPv6 is IPv4;
// a port and a zone are left out. What is no address is its own key.
std::string address_key(std::string_view address);

}  // namespace pgtide
