#include "cli/json_log_formatter.hpp"

#include <spdlog/details/log_msg.h>
#include <spdlog/fmt/chrono.h>
#include <spdlog/spdlog.h>

#include <string_view>

#include "model/server_message.hpp"

namespace pgtide {
namespace {

std::string_view view(spdlog::string_view_t text) { return {text.data(), text.size()}; }

}  // namespace

void JsonLogFormatter::format(const spdlog::details::log_msg& line, spdlog::memory_buf_t& out) {
  const auto since_epoch = line.time.time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count() % 1000;
  const std::time_t seconds = std::chrono::system_clock::to_time_t(line.time);
  fmt::format_to(std::back_inserter(out),
                 R"({{"time":"{:%Y-%m-%dT%H:%M:%S}.{:03}Z","level":"{}","message":{}}})"
                 "\n",
                 fmt::gmtime(seconds), ms, view(spdlog::level::to_string_view(line.level)),
                 json_string(view(line.payload)));
}

std::unique_ptr<spdlog::formatter> JsonLogFormatter::clone() const {
  return std::make_unique<JsonLogFormatter>();
}

}  // namespace pgtide
