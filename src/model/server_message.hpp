#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "model/identity.hpp"
#include "model/wire_code.hpp"

// The texts of what the server says about itself (PROTOCOL 1.3). Events are not here: the broker
// builds them without a JSON library. `id` is JSON text as the client sent it, or empty.
namespace pgtide {

struct Greeting {
  std::string connection_id{};
  const Principal* user = nullptr;
  std::chrono::milliseconds heartbeat_interval{};
  std::optional<std::chrono::system_clock::time_point> expires_at{};  // of the user's credential
};
struct ErrorReply {
  WireCode code = WireCode::internal;
  std::string message{};
  std::string id{};
  std::optional<std::string> pattern{};
  std::optional<std::chrono::milliseconds> retry_after{};
  std::optional<std::size_t> position{};  // in a filter: bytes before the fault
};

std::string connected_message(const Greeting& greeting);
// `cursor` as it is sealed.
std::string subscribed_message(std::string_view id, std::string_view pattern,
                               std::string_view cursor);
std::string unsubscribed_message(std::string_view id, std::string_view pattern,
                                 std::size_t removed);
std::string authenticated_message(std::string_view id, const Identity& identity);
std::string pong_message(std::string_view id);
std::string position_message(std::string_view cursor);
// `pattern` is empty where the whole connection is concerned.
std::string resync_message(std::string_view pattern, ResyncReason reason);
std::string error_message(const ErrorReply& reply);

// {"id":...,"roles":[...]}, or null for nobody.
std::string json_user(const Principal* user);
// "2026-11-23T10:15:30Z" with its quotes, UTC; fractions of a second are dropped. None: null.
std::string json_time(const std::optional<std::chrono::system_clock::time_point>& time);
// `text` as a JSON string with its quotes. Bytes that are no UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

}  // namespace pgtide
