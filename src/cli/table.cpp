#include "cli/table.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/terminal.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

constexpr std::size_t patterns_shown = 4;

std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;  // the first byte of a character
  }));
}

}  // namespace

std::string make_table(const std::vector<Cells>& lines) {
  std::vector<std::size_t> widths(lines.front().size());
  for (const Cells& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      widths[i] = std::max(widths[i], width_of(line[i]));
    }
  }
  std::string table;
  for (const Cells& line : lines) {
    std::string text;
    for (std::size_t i = 0; i + 1 < line.size(); ++i) {
      text += line[i] + std::string(widths[i] - width_of(line[i]) + 2, ' ');
    }
    text += line.back();
    const auto colour = &line == &lines.front() ? Colour::dim : Colour::none;
    table += coloured(colour, text) + "\n";
  }
  return table;
}

std::string bytes_text(std::uint64_t bytes) {
  if (bytes < 1'024) return std::to_string(bytes) + " B";
  if (bytes < 1'048'576) return std::to_string(bytes / 1'024) + " KiB";
  return std::to_string(bytes / 1'048'576) + " MiB";
}

std::string user_cell(const nlohmann::json& user) {
  if (!user.is_object()) return "(anonymous)";
  std::string text = one_line(user.value("id", ""));
  std::string roles;
  for (const nlohmann::json& role : user.value("roles", nlohmann::json::array())) {
    roles += (roles.empty() ? "" : ", ") + one_line(role.get<std::string>());
  }
  return roles.empty() ? text : text + " (" + roles + ")";
}

std::string subscriptions_cell(const nlohmann::json& subscriptions) {
  std::string text;
  for (std::size_t i = 0; i < std::min(subscriptions.size(), patterns_shown); ++i) {
    text += (i == 0 ? "" : ", ") + one_line(subscriptions[i].value("pattern", ""));
    const std::string filter = subscriptions[i].value("filter", "");
    if (!filter.empty()) text += " [" + one_line(filter) + "]";
  }
  if (subscriptions.size() <= patterns_shown) return text.empty() ? "(none)" : text;
  return text + " and " + std::to_string(subscriptions.size() - patterns_shown) + " more";
}

}  // namespace pgtide
