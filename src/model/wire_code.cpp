#include "model/wire_code.hpp"

namespace pgtide {

std::string_view to_string(WireCode code) {
  switch (code) {
    case WireCode::invalid_json: return "invalid_json";
    case WireCode::invalid_message: return "invalid_message";
    case WireCode::unknown_type: return "unknown_type";
    case WireCode::invalid_pattern: return "invalid_pattern";
    case WireCode::invalid_filter: return "invalid_filter";
    case WireCode::filter_limit: return "filter_limit";
    case WireCode::unknown_collection: return "unknown_collection";
    case WireCode::permission_denied: return "permission_denied";
    case WireCode::unauthenticated: return "unauthenticated";
    case WireCode::invalid_token: return "invalid_token";
    case WireCode::token_expired: return "token_expired";
    case WireCode::subscription_limit: return "subscription_limit";
    case WireCode::rate_limited: return "rate_limited";
    case WireCode::invalid_cursor: return "invalid_cursor";
    case WireCode::snapshot_too_large: return "snapshot_too_large";
    case WireCode::snapshot_denied: return "snapshot_denied";
    case WireCode::server_busy: return "server_busy";
    case WireCode::internal: return "internal";
  }
  return "internal";
}

std::string_view to_string(ResyncReason reason) {
  switch (reason) {
    case ResyncReason::cursor_expired: return "cursor_expired";
    case ResyncReason::fell_behind: return "fell_behind";
    case ResyncReason::permissions_changed: return "permissions_changed";
    case ResyncReason::schema_changed: return "schema_changed";
    case ResyncReason::log_lost: return "log_lost";
  }
  return "log_lost";
}

}  // namespace pgtide
