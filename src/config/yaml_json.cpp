#include "config/yaml_json.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "model/server_message.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

using Kind = YamlNode::Kind;

constexpr std::array<std::pair<std::string_view, std::string_view>, 21> named_values{{
    {"true", "true"},         {"True", "true"},         {"TRUE", "true"},
    {"false", "false"},       {"False", "false"},       {"FALSE", "false"},
    {".inf", "\"Infinity\""}, {".Inf", "\"Infinity\""}, {".INF", "\"Infinity\""},
    {"+.inf", "\"Infinity\""}, {"+.Inf", "\"Infinity\""}, {"+.INF", "\"Infinity\""},
    {"-.inf", "\"-Infinity\""}, {"-.Inf", "\"-Infinity\""}, {"-.INF", "\"-Infinity\""},
    {".nan", "\"NaN\""},      {".NaN", "\"NaN\""},      {".NAN", "\"NaN\""},
    {"null", "null"},         {"Null", "null"},         {"NULL", "null"},
}};

// Takes the digits that `text` begins with.
std::string_view take_digits(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view digits = text.substr(0, end);
  text.remove_prefix(end);
  return digits;
}

std::string_view take_sign(std::string_view& text) {
  if (!text.starts_with('-') && !text.starts_with('+')) return {};
  const std::string_view sign = text.substr(0, 1);
  text.remove_prefix(1);
  return sign;
}

// "-1.50e3" and what YAML has besides: "+1", "007", ".5", "5."; nothing where it is no number.
std::optional<std::string> decimal_json(std::string_view text) {
  const bool negative = take_sign(text) == "-";
  std::string_view whole = take_digits(text);
  std::string_view fraction;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = take_digits(text);
  }
  if (whole.empty() && fraction.empty()) return std::nullopt;
  std::string exponent;
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    exponent = "e" + std::string(take_sign(text));
    const std::string_view digits = take_digits(text);
    if (digits.empty()) return std::nullopt;
    exponent += digits;
  }
  if (!text.empty()) return std::nullopt;
  whole.remove_prefix(std::min(whole.find_first_not_of('0'), whole.size()));
  std::string json = negative ? "-" : "";
  json += whole.empty() ? "0" : whole;
  if (!fraction.empty()) json += "." + std::string(fraction);
  return json + exponent;
}

struct BasedNumber {
  std::optional<std::string> json{};
  bool too_large = false;
};

// "0x1f" and "0o17".
BasedNumber based_json(std::string_view text) {
  const bool hex = text.starts_with("0x");
  if ((!hex && !text.starts_with("0o")) || text.size() < 3) return {};
  text.remove_prefix(2);
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, hex ? 16 : 8);
  if (stop != end) return {};
  if (error == std::errc::result_out_of_range) return {.json = "0", .too_large = true};
  return {.json = std::to_string(value)};
}

std::string plain_json(const YamlNode& node, std::vector<FileFault>& faults) {
  for (const auto& [word, json] : named_values) {
    if (node.text == word) return std::string(json);
  }
  if (auto number = decimal_json(node.text)) return *number;
  const BasedNumber based = based_json(node.text);
  if (based.too_large) {
    faults.push_back({node.place.line, node.place.column,
                      quoted(node.text) + " does not fit into 64 bits; write it in decimal"});
  }
  return based.json ? *based.json : json_string(node.text);
}

}  // namespace

std::string to_json(const YamlNode& node, std::vector<FileFault>& faults) {
  std::string json;
  switch (node.kind) {
    case Kind::null:
      return "null";
    case Kind::scalar:
      return node.quoted ? json_string(node.text) : plain_json(node, faults);
    case Kind::list:
      for (const YamlNode& item : node.items) {
        json += (json.empty() ? "" : ",") + to_json(item, faults);
      }
      return "[" + json + "]";
    case Kind::map:
      for (const YamlEntry& entry : node.entries) {
        json += (json.empty() ? "" : ",") + json_string(entry.key) + ":";
        json += to_json(entry.value, faults);
      }
      return "{" + json + "}";
  }
  return json;
}

}  // namespace pgtide
