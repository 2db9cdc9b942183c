#include "gateway/connection_query.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "gateway/http_checks.hpp"
#include "model/server_message.hpp"

namespace pgtide {
namespace {

constexpr std::size_t default_limit = 100;
constexpr std::size_t limit_max = 1'000;
constexpr std::size_t page_bytes_max = 1'048'576;

Error query_fault(std::string message) { return {ErrorKind::invalid, std::move(message)}; }

std::optional<char> parse_hex(std::string_view digits) {
  unsigned value = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (digits.size() != 2 || parsed.ptr != digits.data() + digits.size()) return std::nullopt;
  return static_cast<char>(value);
}

// RFC 3986, 2.1: "+" is itself.
std::optional<std::string> decode_percent(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    const auto byte = parse_hex(text.substr(i + 1, 2));
    if (!byte) return std::nullopt;
    plain += *byte;
    i += 2;
  }
  return plain;
}

bool is_uuid(std::string_view text) {
  return text.size() == 36 && text.find_first_not_of("0123456789abcdef-") == text.npos;
}

std::optional<std::size_t> parse_limit(std::string_view text) {
  std::size_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  if (!is_number || value < 1 || value > limit_max) return std::nullopt;
  return value;
}

// Empty: it is well.
std::string take_member(std::string_view name, std::string value, ConnectionQuery& query) {
  if (name == "user") {
    if (value.empty()) return "\"user\" must name a user's id";
    query.user = std::move(value);
  } else if (name == "limit") {
    const auto limit = parse_limit(value);
    if (!limit) return "\"limit\" must be a number from 1 to 1000";
    query.limit = *limit;
  } else if (name == "order") {
    if (value != "backlog") return "\"order\" can only be backlog";
    query.slowest_first = true;
  } else {
    if (!is_uuid(value)) return "\"after\" must be a connection's id, as \"next\" gives it";
    query.after = std::move(value);
  }
  return {};
}

bool is_among(const std::vector<std::string_view>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

Result<ConnectionQuery> parse_members(std::string_view text,
                                      const std::vector<std::string_view>& known,
                                      ConnectionQuery query = {}) {
  std::vector<std::string_view> seen;
  while (!text.empty()) {
    const auto pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
    const auto name = pair.substr(0, pair.find('='));
    if (!is_among(known, name)) return query_fault("unknown query member " + json_string(name));
    if (is_among(seen, name)) return query_fault("\"" + std::string(name) + "\" is there twice");
    seen.push_back(name);
    auto value = decode_percent(pair.substr(std::min(name.size() + 1, pair.size())));
    if (!value) return query_fault("\"" + std::string(name) + "\" is not percent-encoded rightly");
    if (auto fault = take_member(name, std::move(*value), query); !fault.empty()) {
      return query_fault(std::move(fault));
    }
  }
  return query;
}

std::string subscriptions_json(const std::vector<HeldPattern>& patterns) {
  std::string text;
  for (const HeldPattern& held : patterns) {
    text += text.empty() ? "{\"pattern\":" : ",{\"pattern\":";
    text += json_string(held.pattern);
    if (!held.filter.empty()) text += ",\"filter\":" + json_string(held.filter);
    text += '}';
  }
  return "[" + text + "]";
}

std::string connection_json(const ListedConnection& listed) {
  const auto& record = listed.record;
  return "{\"id\":" + json_string(record.id) +
         ",\"user\":" + json_user(record.user ? &*record.user : nullptr) +
         ",\"remote_address\":" + json_string(record.remote_address) +
         ",\"connected_at\":" + json_time(record.connected_at) +
         ",\"subscriptions\":" + subscriptions_json(listed.patterns) +
         ",\"events_sent\":" + std::to_string(listed.events_sent) +
         ",\"backlog_bytes\":" + std::to_string(listed.backlog_bytes) + "}";
}

}  // namespace

std::size_t bytes_of(const ListedConnection& listed) {
  constexpr std::size_t fixed = 256;    // names, numbers and times
  constexpr std::size_t each = 24;      // names and quotes of one subscription, or of a role
  std::size_t bytes = fixed + listed.record.remote_address.size();
  if (const auto& user = listed.record.user) {
    bytes += user->id.size() + user->claims.size();
    for (const std::string& role : user->roles) bytes += role.size() + each;
  }
  for (const HeldPattern& held : listed.patterns) {
    bytes += held.pattern.size() + held.filter.size() + each;
  }
  return bytes;
}

Result<ConnectionQuery> parse_listing(std::string_view text) {
  ConnectionQuery query;
  query.limit = default_limit;
  query.bytes_max = page_bytes_max;
  auto parsed = parse_members(text, {"user", "limit", "after", "order"}, query);
  if (parsed && parsed->slowest_first && !parsed->after.empty()) {
    return query_fault("\"after\" follows ids, so it goes without \"order\"");
  }
  return parsed;
}

Result<ConnectionQuery> parse_kick(std::string_view target) {
  const auto id = path_of(target).substr(connections_path.size());
  const bool by_id = id.size() > 1;
  std::vector<std::string_view> known;
  if (!by_id) known.push_back("user");
  auto query = parse_members(query_of(target), known);
  if (!query) return query;
  if (by_id) query->id = std::string(id.substr(1));
  if (!query->id && !query->user) {
    return query_fault("say whom: /realtime/connections/<id>, or /realtime/connections?user=<id>");
  }
  return query;
}

std::string to_json(const ConnectionPage& page) {
  std::string text = "{\"connections\":[";
  for (std::size_t i = 0; i < page.connections.size(); ++i) {
    if (i > 0) text += ',';
    text += connection_json(page.connections[i]);
  }
  return text + "],\"next\":" + (page.next ? json_string(*page.next) : "null") + "}\n";
}

}  // namespace pgtide
