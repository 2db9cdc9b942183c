#include "bridge/address_key.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

namespace pgtide {
namespace {

constexpr std::size_t network_bytes = 8;
constexpr std::array<unsigned char, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// "[2001:db8::1]:443", "192.0.2.1:443" and "fe80::1%eth0" without what is no address.
std::string bare(std::string_view address) {
  if (address.starts_with('[')) address = address.substr(1, address.find(']') - 1);
  const bool four = std::ranges::count(address, ':') == 1;
  if (four) address = address.substr(0, address.find(':'));
  return std::string(address.substr(0, address.find('%')));
}

}  // namespace

std::string address_key(std::string_view address) {
  const std::string text = bare(address);
  std::array<unsigned char, 16> bytes{};
  if (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return "4" + text;
  if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1) return "?" + std::string(address);
  if (std::equal(mapped.begin(), mapped.end(), bytes.begin())) {
    std::array<char, INET_ADDRSTRLEN> four{};
    ::inet_ntop(AF_INET, bytes.data() + mapped.size(), four.data(), four.size());
    return "4" + std::string(four.data());
  }
  return "6" + std::string(bytes.begin(), bytes.begin() + network_bytes);
}

}  // namespace pgtide
