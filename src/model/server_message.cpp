#include "model/server_message.hpp"

#include <cstdio>
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

// "2026-11-23T10:15:30Z"; fractions of a second are dropped, so that it is never too late.
ordered_json time_of(const std::optional<std::chrono::system_clock::time_point>& time) {
  if (!time) return nullptr;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(*time);
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(seconds - day);
  char text[40];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text;
}

}  // namespace

std::string connected_message(const Greeting& greeting) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::duration<double>>(greeting.heartbeat_interval);
  ordered_json message{{"type", "connected"},
                       {"connection_id", greeting.connection_id},
                       {"user", user_of(greeting.user)},
                       {"expires_at", time_of(greeting.expires_at)}};
  const auto whole = static_cast<std::int64_t>(seconds.count());
  if (static_cast<double>(whole) == seconds.count()) {
    message["heartbeat_interval"] = whole;
  } else {
    message["heartbeat_interval"] = seconds.count();
  }
  message["server"] = "pgtide/" PGTIDE_VERSION;
  return print(message);
}

std::string subscribed_message(std::string_view id, std::string_view pattern,
                               std::string_view cursor) {
  return print_with_id({{"type", "subscribed"}, {"pattern", pattern}, {"cursor", cursor}}, id);
}

std::string unsubscribed_message(std::string_view id, std::string_view pattern,
                                 std::size_t removed) {
  return print_with_id({{"type", "unsubscribed"}, {"pattern", pattern}, {"removed", removed}}, id);
}

std::string authenticated_message(std::string_view id, const Identity& identity) {
  return print_with_id({{"type", "authenticated"},
                        {"user", user_of(&identity.principal)},
                        {"expires_at", time_of(identity.expires_at)}},
                       id);
}

std::string pong_message(std::string_view id) { return print_with_id({{"type", "pong"}}, id); }

std::string position_message(std::string_view cursor) {
  return print({{"type", "position"}, {"cursor", cursor}});
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

std::string json_user(const Principal* user) { return print(user_of(user)); }

std::string json_time(const std::optional<std::chrono::system_clock::time_point>& time) {
  return print(time_of(time));
}

std::string json_string(std::string_view text) { return print(ordered_json(text)); }

}  // namespace pgtide
