#include "model/server_message.hpp"

#include <nlohmann/json.hpp>

// These messages are rare, so they are built by a JSON library; a client's `id` is JSON text
// already and is spliced in as it came.
namespace pgtide {
namespace {

using nlohmann::ordered_json;

std::string print(const ordered_json& message) {
  return message.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

// `message` is a non-empty object.
std::string print_with_id(const ordered_json& message, std::string_view id) {
  std::string text = print(message);
  if (!id.empty()) text.insert(text.size() - 1, ",\"id\":" + std::string(id));
  return text;
}

ordered_json user_of(const Principal* user) {
  if (user == nullptr) return nullptr;
  return ordered_json{{"id", user->id}, {"roles", user->roles}};
}

}  // namespace

std::string connected_message(const Greeting& greeting) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::duration<double>>(greeting.heartbeat_interval);
  ordered_json message{{"type", "connected"},
                       {"connection_id", greeting.connection_id},
                       {"user", user_of(greeting.user)},
                       {"expires_at", nullptr}};
  const auto whole = static_cast<std::int64_t>(seconds.count());
  if (static_cast<double>(whole) == seconds.count()) {
    message["heartbeat_interval"] = whole;
  } else {
    message["heartbeat_interval"] = seconds.count();
  }
  message["server"] = "pgtide/" PGTIDE_VERSION;
  return print(message);
}

std::string subscribed_message(std::string_view id, std::string_view pattern, const Cursor& at) {
  return print_with_id({{"type", "subscribed"}, {"pattern", pattern}, {"cursor", to_string(at)}},
                       id);
}

std::string unsubscribed_message(std::string_view id, std::string_view pattern,
                                 std::size_t removed) {
  return print_with_id({{"type", "unsubscribed"}, {"pattern", pattern}, {"removed", removed}}, id);
}

std::string pong_message(std::string_view id) { return print_with_id({{"type", "pong"}}, id); }

std::string position_message(const Cursor& at) {
  return print({{"type", "position"}, {"cursor", to_string(at)}});
}

std::string resync_message(std::string_view pattern, ResyncReason reason) {
  ordered_json message{{"type", "resync_required"}};
  if (!pattern.empty()) message["pattern"] = pattern;
  message["reason"] = to_string(reason);
  return print(message);
}

std::string error_message(const ErrorReply& reply) {
  ordered_json message{
      {"type", "error"}, {"code", to_string(reply.code)}, {"message", reply.message}};
  if (reply.pattern) message["pattern"] = *reply.pattern;
  if (reply.retry_after) message["retry_after_ms"] = reply.retry_after->count();
  if (reply.position) message["position"] = *reply.position;
  return print_with_id(message, reply.id);
}

std::string json_string(std::string_view text) { return print(ordered_json(text)); }

}  // namespace pgtide
