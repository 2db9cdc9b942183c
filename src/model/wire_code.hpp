#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pgtide {

// Error codes of the protocol (PROTOCOL 1.4): stable, never renamed.
enum class WireCode : std::uint8_t {
  invalid_json,
  invalid_message,
  unknown_type,
  invalid_pattern,
  invalid_filter,
  filter_limit,
  unknown_collection,
  permission_denied,
  unauthenticated,
  invalid_token,
  token_expired,
  subscription_limit,
  rate_limited,
  invalid_cursor,
  snapshot_too_large,
  snapshot_denied,
  server_busy,
  internal
};
std::string_view to_string(WireCode code);
inline constexpr std::size_t wire_codes = static_cast<std::size_t>(WireCode::internal) + 1;

// Why continuity is lost (PROTOCOL 1.3, `resync_required`).
enum class ResyncReason : std::uint8_t {
  cursor_expired,
  fell_behind,
  permissions_changed,
  schema_changed,
  log_lost
};
std::string_view to_string(ResyncReason reason);

// WebSocket close codes that we send (PROTOCOL 1.5; RFC 6455, 7.4).
enum class CloseCode : std::uint16_t {
  normal = 1000,
  going_away = 1001,
  protocol_error = 1002,
  unsupported = 1003,   // a binary frame
  invalid_utf8 = 1007,
  too_big = 1009,
  try_again_later = 1013,  // its place is another's now (registered at IANA)
  bad_credential = 4401,
  kicked = 4403,
  heartbeat_lost = 4408,
  too_many_refusals = 4429
};

}  // namespace pgtide
