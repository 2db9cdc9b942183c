#include "support/frame_shape.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <regex>

namespace pgtide::test {
namespace {

using Json = nlohmann::json;  // its objects are sorted by key

Json parsed(std::string_view text) {
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) FAIL("no JSON: ", std::string(text));
  return value;
}

void replace(Json& message, const char* key, const char* form, const char* placeholder) {
  const auto found = message.find(key);
  if (found == message.end()) return;
  const std::string text = found->is_string() ? found->get<std::string>() : found->dump();
  if (std::regex_match(text, std::regex(form))) *found = placeholder;
}

}  // namespace

std::string shape(std::string_view frame) {
  Json message = parsed(frame);
  if (!message.is_object()) FAIL("no object: ", std::string(frame));
  replace(message, "cursor", "[A-Za-z0-9_-]{64}", "<cursor>");
  replace(message, "timestamp",
          "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9](:[0-5][0-9]){2}\\.[0-9]{6}Z", "<time>");
  replace(message, "connection_id", "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uuid>");
  replace(message, "server", "pgtide/[0-9]+\\.[0-9]+\\.[0-9]+", "<server>");
  replace(message, "retry_after_ms", "[1-9][0-9]*", "<ms>");
  if (message["type"] == "error") replace(message, "message", "[^]+", "<text>");
  return message.dump();
}

std::string json(std::string_view text) {
  return parsed(text).dump();
}

std::string member(std::string_view frame, const char* key) {
  const Json message = parsed(frame);
  const auto found = message.find(key);
  if (found == message.end()) return {};
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::vector<std::string> members(const std::vector<std::string>& frames, const char* key) {
  std::vector<std::string> found;
  for (const std::string& frame : frames) found.push_back(member(frame, key));
  return found;
}

std::string subscribed(const std::string& pattern, const std::string& more) {
  return json(R"({"type":"subscribed","cursor":"<cursor>","pattern":")" + pattern + "\"" + more +
              "}");
}

}  // namespace pgtide::test
