#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/wire_code.hpp"

namespace pgtide {

// Which actions a subscription wants; a bit per Action. The default is all of them.
class ActionSet {
 public:
  static constexpr std::uint8_t all_bits = 0x1f;  // create, update, delete, truncate, custom

  ActionSet() = default;
  explicit ActionSet(std::uint8_t bits) : bits_(bits) {}
  bool contains(unsigned action) const { return (bits_ >> action & 1U) != 0; }
  std::uint8_t bits() const { return bits_; }
  friend bool operator==(const ActionSet&, const ActionSet&) = default;

 private:
  std::uint8_t bits_ = all_bits;
};

// One entry of a subscribe message. The pattern is still text: a bad one is refused by itself,
// in the contract's order of checks.
struct SubscribeItem {
  std::string pattern{};
  ActionSet events{};
  std::optional<std::string> filter{};
  friend bool operator==(const SubscribeItem&, const SubscribeItem&) = default;
};
struct SubscribeMessage {
  std::vector<SubscribeItem> items{};
  friend bool operator==(const SubscribeMessage&, const SubscribeMessage&) = default;
};
struct UnsubscribeMessage {
  std::string pattern{};
  friend bool operator==(const UnsubscribeMessage&, const UnsubscribeMessage&) = default;
};
struct AuthMessage {
  std::string token{};
  friend bool operator==(const AuthMessage&, const AuthMessage&) = default;
};
struct PingMessage {
  friend bool operator==(const PingMessage&, const PingMessage&) = default;
};

// A client's message. `id` is the JSON text of its "id" (string or number, 64 bytes at most),
// verbatim, or empty.
struct ClientMessage {
  std::string id{};
  std::variant<SubscribeMessage, UnsubscribeMessage, AuthMessage, PingMessage> body{};
  friend bool operator==(const ClientMessage&, const ClientMessage&) = default;
};

// Why a message was refused; `id` is kept where it could be read.
struct MessageFault {
  WireCode code = WireCode::invalid_message;
  std::string message{};
  std::string id{};
  friend bool operator==(const MessageFault&, const MessageFault&) = default;
};

// Parses one text frame (PROTOCOL 1.1). Total over any bytes: depth, size of numbers, duplicate
// and unknown fields, and more than `items_max` subscriptions are checked here; UTF-8 is the
// WebSocket layer's. `since` and `snapshot` are refused: "not in this version". No fault repeats a
// token. What is too deep, or holds more values than a message of so many subscriptions, is refused
// before anything is built of it, and whatever comes after.
std::variant<ClientMessage, MessageFault> parse_client_message(std::string_view text,
                                                               std::size_t items_max = 100);

}  // namespace pgtide
