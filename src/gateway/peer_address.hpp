#pragma once
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <string>

namespace pgtide {

// IPv4 as such where it comes mapped into IPv6, as on a listener for both.
boost::asio::ip::address plain_address(const boost::asio::ip::address& address);

// "192.0.2.1:443", "[2001:db8::1]:443"
std::string print(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace pgtide
