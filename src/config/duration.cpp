#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>

#include "config/config_file.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t milliseconds;
};

constexpr std::array<Unit, 5> units{
    {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};

Error refusal(std::string_view text, const std::string& why) {
  return {ErrorKind::invalid, quoted(text) + " " + why};
}

}  // namespace

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, fault] = std::from_chars(text.data(), end, number);
  if (fault == std::errc::result_out_of_range) return refusal(text, "is too long a time");
  if (fault != std::errc{} || number < 0) {
    return refusal(text, "is no duration; write a whole number and a unit, such as 30s");
  }
  std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  unit.remove_prefix(std::min(unit.find_first_not_of(' '), unit.size()));
  if (unit.empty()) return refusal(text, "has no unit; write ms, s, m, h or d after the number");
  for (const Unit& known : units) {
    if (known.name != unit) continue;
    if (number > std::numeric_limits<std::int64_t>::max() / known.milliseconds) {
      return refusal(text, "is too long a time");
    }
    return std::chrono::milliseconds{number * known.milliseconds};
  }
  return refusal(text, "is no duration; write a whole number and ms, s, m, h or d, such as 30s");
}

std::string to_text(std::chrono::milliseconds duration) {
  const std::int64_t count = duration.count();
  // A day is written as 24h; from two days on, days read better.
  const bool days = count >= 2 * units.back().milliseconds;
  for (std::size_t i = days ? units.size() : units.size() - 1; i-- > 0;) {
    if (count % units[i].milliseconds == 0) {
      return std::to_string(count / units[i].milliseconds) + std::string(units[i].name);
    }
  }
  return std::to_string(count) + "ms";
}

}  // namespace pgtide
