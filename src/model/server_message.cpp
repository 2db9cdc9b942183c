#include "model/server_message.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

// What a client is told at its start is built by a JSON library. The others, of which clients may
// make as many as they ask for, are put together as text: by a library each takes a third of what
// a whole request does. A client's `id` is JSON text already and is spliced in as it came.
namespace pgtide {
namespace {

using nlohmann::ordered_json;

std::string print(const ordered_json& message) {
  return message.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
}

// A message of this type, member by member.
class MessageText {
 public:
  explicit MessageText(std::string_view type) {
    text_.reserve(128);
    text_.append(R"({"type":")").append(type).append("\"");
  }
  // `name` needs no escapes.
  MessageText& add(std::string_view name, std::string_view value) {
    return add_json(name, json_string(value));
  }
  MessageText& add_json(std::string_view name, std::string_view value) {
    text_.append(",\"").append(name).append("\":").append(value);
    return *this;
  }
  std::string finish(std::string_view id = {}) {
    if (!id.empty()) add_json("id", id);
    text_ += '}';
    return std::move(text_);
  }

 private:
  std::string text_{};
};

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
  return MessageText("subscribed").add("pattern", pattern).add("cursor", cursor).finish(id);
}

std::string unsubscribed_message(std::string_view id, std::string_view pattern,
                                 std::size_t removed) {
  return MessageText("unsubscribed")
      .add("pattern", pattern)
      .add_json("removed", std::to_string(removed))
      .finish(id);
}

std::string authenticated_message(std::string_view id, const Identity& identity) {
  return MessageText("authenticated")
      .add_json("user", json_user(&identity.principal))
      .add_json("expires_at", json_time(identity.expires_at))
      .finish(id);
}

std::string pong_message(std::string_view id) { return MessageText("pong").finish(id); }

std::string position_message(std::string_view cursor) {
  return MessageText("position").add("cursor", cursor).finish();
}

std::string resync_message(std::string_view pattern, ResyncReason reason) {
  MessageText message("resync_required");
  if (!pattern.empty()) message.add("pattern", pattern);
  return message.add("reason", to_string(reason)).finish();
}

std::string error_message(const ErrorReply& reply) {
  MessageText message("error");
  message.add("code", to_string(reply.code)).add("message", reply.message);
  if (reply.pattern) message.add("pattern", *reply.pattern);
  if (reply.retry_after) {
    message.add_json("retry_after_ms", std::to_string(reply.retry_after->count()));
  }
  if (reply.position) message.add_json("position", std::to_string(*reply.position));
  return message.finish(reply.id);
}

std::string json_user(const Principal* user) { return print(user_of(user)); }

std::string json_time(const std::optional<std::chrono::system_clock::time_point>& time) {
  return print(time_of(time));
}

std::string json_string(std::string_view text) {
  if (!is_plain(text)) return print(ordered_json(text));
  std::string quoted;
  quoted.reserve(text.size() + 2);
  return quoted.append("\"").append(text).append("\"");
}

}  // namespace pgtide
