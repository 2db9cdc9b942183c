#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

// Tables for the terminal, and how a connection's members read in them.
namespace pgtide {

using Cells = std::vector<std::string>;

// Lines of equally many cells, in columns as wide as they need; the first line is the heading, dim.
std::string make_table(const std::vector<Cells>& lines);

std::string bytes_text(std::uint64_t bytes);  // "12 KiB"
// Of members of GET /realtime/connections, harmless to a terminal: "17 (admin)", "(anonymous)";
// "posts.*, news.* and 3 more".
std::string user_cell(const nlohmann::json& user);
std::string subscriptions_cell(const nlohmann::json& subscriptions);

}  // namespace pgtide
