#include "model/client_message.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "model/json_row.hpp"
#include "pgtide/event.hpp"

// A message is read three times: first for its brackets and commas only, since sixty thousand of
// them must be refused for less than a message costs that means something; then by nlohmann's
// parser, which checks all of it and tells of every key, so that duplicates are seen; and, where it
// has an `id`, by Row, which gives that value's text as the client wrote it (a number printed anew
// might be another text).
//
// Every field is named in a table of its message; a field that is in no table is refused by name,
// because a misspelled `filter` must not subscribe to everything.
namespace pgtide {
namespace {

using nlohmann::json;

constexpr int depth_max = 8;  // the deepest message has four levels: subscriptions[].events[]
// An entry of `subscriptions` has three fields, five events and five brackets.
constexpr std::size_t values_per_item = 16;
constexpr std::size_t values_besides = 64;
constexpr std::size_t id_bytes_max = 64;  // PROTOCOL 1.1

// What is refused is thrown inside this file and caught in parse_client_message() below.
struct Refusal {
  WireCode code;
  std::string message;
};
[[noreturn]] void refuse(std::string message) {
  throw Refusal{WireCode::invalid_message, std::move(message)};
}

// Of a text that may be no JSON: how deep it nests, and how many values are begun in it.
void check_size(std::string_view text, std::size_t items_max) {
  const std::size_t values_max =
      std::min(items_max, text.size()) * values_per_item + values_besides;
  int depth = 0;
  std::size_t values = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    switch (text[at]) {
      case '"':  // to the string's end
        for (++at; at < text.size() && text[at] != '"'; ++at) at += text[at] == '\\';
        break;
      case '[':
      case '{':
        if (++depth > depth_max) refuse("nested too deeply");
        ++values;
        break;
      case ']':
      case '}':
        --depth;
        break;
      case ',':
        ++values;
        break;
      default:
        break;
    }
    if (values > values_max) {
      refuse("too much in one message: it holds at most " + std::to_string(items_max) +
             " subscriptions");
    }
  }
}

// Watches the parser: keys that come twice in one object.
class Watch {
 public:
  bool operator()(json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) keys_.emplace_back();
    if (event == json::parse_event_t::object_end) keys_.pop_back();
    if (event == json::parse_event_t::key) note_key(parsed.get_ref<const std::string&>());
    return true;
  }
  const std::string* duplicate() const { return duplicate_ ? &*duplicate_ : nullptr; }

 private:
  void note_key(const std::string& key) {
    const bool fresh = keys_.back().insert(key).second;
    if (!fresh && !duplicate_) duplicate_ = key;
  }
  std::vector<std::set<std::string>> keys_;
  std::optional<std::string> duplicate_;
};

std::string in_quotes(std::string_view name) {
  constexpr std::size_t shown_bytes_max = 64;
  const bool cut = name.size() > shown_bytes_max;
  return "'" + std::string(cut ? name.substr(0, shown_bytes_max) : name) + (cut ? "...'" : "'");
}

bool is_later_field(std::string_view name) {
  return name == "since" || name == "snapshot";
}

void check_fields(const json& object, std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : object.items()) {
    bool found = false;
    for (const std::string_view candidate : known) found = found || name == candidate;
    if (found) continue;
    if (is_later_field(name)) refuse("'" + name + "' is not in this version");
    refuse("unknown field " + in_quotes(name));
  }
}

std::string take_pattern(const json& object) {
  const auto found = object.find("pattern");
  if (found == object.end()) refuse("'pattern' is missing");
  if (!found->is_string()) refuse("'pattern' must be a string");
  return found->get<std::string>();
}

std::uint8_t action_bit(const json& name) {
  if (name.is_string()) {
    for (const Action action : {Action::create, Action::update, Action::delete_, Action::truncate,
                                Action::custom}) {
      if (name.get_ref<const std::string&>() == to_string(action)) {
        return static_cast<std::uint8_t>(1U << static_cast<unsigned>(action));
      }
    }
  }
  refuse("'events' lists create, update, delete, truncate, custom");
}

ActionSet take_events(const json& object) {
  const auto found = object.find("events");
  if (found == object.end()) return {};
  if (!found->is_array() || found->empty()) refuse("'events' must be an array that is not empty");
  std::uint8_t bits = 0;
  for (const json& name : *found) bits = static_cast<std::uint8_t>(bits | action_bit(name));
  return ActionSet(bits);
}

std::optional<std::string> take_filter(const json& object) {
  const auto found = object.find("filter");
  if (found == object.end()) return std::nullopt;
  if (!found->is_string()) refuse("'filter' must be a string");
  return found->get<std::string>();
}

SubscribeItem take_item(const json& object) {
  return {take_pattern(object), take_events(object), take_filter(object)};
}

SubscribeMessage take_subscribe(const json& message, std::size_t items_max) {
  const auto many = message.find("subscriptions");
  if (many == message.end()) {
    check_fields(message, {"type", "id", "pattern", "events", "filter"});
    return {{take_item(message)}};
  }
  check_fields(message, {"type", "id", "subscriptions"});
  if (!many->is_array() || many->empty()) {
    refuse("'subscriptions' must be an array that is not empty");
  }
  if (many->size() > items_max) {
    refuse("'subscriptions' must hold at most " + std::to_string(items_max));
  }
  SubscribeMessage subscribe;
  for (const json& entry : *many) {
    if (!entry.is_object()) refuse("'subscriptions' must hold objects");
    check_fields(entry, {"pattern", "events", "filter"});
    subscribe.items.push_back(take_item(entry));
  }
  return subscribe;
}

UnsubscribeMessage take_unsubscribe(const json& message) {
  check_fields(message, {"type", "id", "pattern"});
  return {take_pattern(message)};
}

AuthMessage take_auth(const json& message) {
  check_fields(message, {"type", "id", "token"});
  const auto found = message.find("token");
  if (found == message.end()) refuse("'token' is missing");
  if (!found->is_string()) refuse("'token' must be a string");
  return {found->get<std::string>()};
}

// The JSON text of "id" as it stands in `text`, or empty. `message` is `text`, parsed.
std::string take_id(const json& message, std::string_view text) {
  const auto found = message.find("id");
  if (found == message.end()) return {};
  if (!found->is_string() && !found->is_number()) refuse("'id' must be a string or a number");
  const auto row = Row::parse(text);
  const RowMember* member = row ? row->find("id") : nullptr;
  if (member == nullptr || member->value.size() > id_bytes_max) {
    refuse("'id' must be at most 64 bytes long");
  }
  return std::string(member->value);
}

json parse_checked(std::string_view text) {
  Watch watch;
  const auto watcher = [&watch](int, json::parse_event_t event, json& parsed) {
    return watch(event, parsed);
  };
  json message = json::parse(text, watcher, false);
  if (message.is_discarded()) throw Refusal{WireCode::invalid_json, "not a JSON text"};
  if (!message.is_object()) refuse("a message is a JSON object");
  if (watch.duplicate() != nullptr) {
    refuse("the field " + in_quotes(*watch.duplicate()) + " stands there twice");
  }
  return message;
}

std::string take_type(const json& message) {
  const auto found = message.find("type");
  if (found == message.end()) refuse("'type' is missing");
  if (!found->is_string()) refuse("'type' must be a string");
  return found->get<std::string>();
}

decltype(ClientMessage::body) take_body(const json& message, const std::string& type,
                                        std::size_t items_max) {
  if (type == "subscribe") return take_subscribe(message, items_max);
  if (type == "unsubscribe") return take_unsubscribe(message);
  if (type == "auth") return take_auth(message);
  if (type == "ping") {
    check_fields(message, {"type", "id"});
    return PingMessage{};
  }
  throw Refusal{WireCode::unknown_type,
                "unknown type " + in_quotes(type) + "; known: subscribe, unsubscribe, auth, ping"};
}

}  // namespace

std::variant<ClientMessage, MessageFault> parse_client_message(std::string_view text,
                                                               std::size_t items_max) {
  MessageFault fault;
  try {
    check_size(text, items_max);
    const json message = parse_checked(text);
    fault.id = take_id(message, text);
    const std::string type = take_type(message);
    return ClientMessage{fault.id, take_body(message, type, items_max)};
  } catch (Refusal& refusal) {
    fault.code = refusal.code;
    fault.message = std::move(refusal.message);
    return fault;
  }
}

}  // namespace pgtide
