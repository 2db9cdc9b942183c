#include "auth/strict_json.hpp"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

// nlohmann keeps the last of two members of one name, and a reader behind us might keep the first:
// so neither is believed. A callback that answers false would drop the value and go on; therefore
// it notes the fault, and the whole is refused at the end (a token is small).
namespace pgtide {
namespace {

constexpr int levels_max = 16;

class MemberWatch {
 public:
  bool operator()(int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    using Event = nlohmann::json::parse_event_t;
    if (depth > levels_max) faulty_ = true;
    if (event == Event::object_start) names_.emplace_back();
    if (event == Event::object_end) names_.pop_back();
    if (event == Event::key && !names_.back().insert(parsed.get<std::string>()).second) {
      faulty_ = true;
    }
    return true;
  }
  bool faulty() const { return faulty_; }

 private:
  std::vector<std::set<std::string>> names_;
  bool faulty_ = false;
};

}  // namespace

std::optional<nlohmann::json> parse_strict_object(std::string_view text) {
  MemberWatch watch;
  const auto watcher = [&watch](int depth, nlohmann::json::parse_event_t event,
                                nlohmann::json& parsed) { return watch(depth, event, parsed); };
  nlohmann::json parsed = nlohmann::json::parse(text, watcher, false);
  if (parsed.is_discarded() || watch.faulty() || !parsed.is_object()) return std::nullopt;
  return parsed;
}

bool holds_more_values(std::string_view text, std::size_t values_max) {
  std::size_t values = 0;
  bool in_string = false;
  for (std::size_t at = 0; at < text.size() && values <= values_max; ++at) {
    const char c = text[at];
    if (c == '"') in_string = !in_string;
    if (in_string && c == '\\') ++at;
    if (!in_string && (c == ',' || c == '[' || c == '{')) ++values;
  }
  return values > values_max;
}

}  // namespace pgtide
