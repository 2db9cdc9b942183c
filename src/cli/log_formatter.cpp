#include "cli/log_formatter.hpp"

#include <spdlog/details/log_msg.h>
#include <spdlog/fmt/chrono.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/spdlog.h>

#include <string>
#include <string_view>

#include "gateway/connection_log.hpp"
#include "model/server_message.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

std::string_view view(spdlog::string_view_t text) { return {text.data(), text.size()}; }

class JsonLogFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& line, spdlog::memory_buf_t& out) override {
    const auto since_epoch = line.time.time_since_epoch();
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count();
    const std::time_t seconds = std::chrono::system_clock::to_time_t(line.time);
    fmt::format_to(std::back_inserter(out),
                   R"({{"time":"{:%Y-%m-%dT%H:%M:%S}.{:03}Z","level":"{}",)",
                   fmt::gmtime(seconds), ms % 1000,
                   view(spdlog::level::to_string_view(line.level)));
    std::string_view message = view(line.payload);
    const std::string_view id = logged_connection();
    const std::string begin = "connection " + std::string(id) + ": ";
    if (!id.empty() && message.starts_with(begin)) {  // and is not what the sink says in between
      fmt::format_to(std::back_inserter(out), R"("connection":{},)", json_string(id));
      message.remove_prefix(begin.size());
    }
    fmt::format_to(std::back_inserter(out), R"("message":{}}})"
                                            "\n",
                   json_string(clean_lines(message)));
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonLogFormatter>();
  }
};

// Whatever a name holds, a line that begins at the margin is one of ours.
class TextLogFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& line, spdlog::memory_buf_t& out) override {
    const std::string text = clean_lines(view(line.payload), "    ");
    spdlog::details::log_msg cleaned = line;
    cleaned.payload = text;
    pattern_.format(cleaned, out);
    line.color_range_start = cleaned.color_range_start;
    line.color_range_end = cleaned.color_range_end;
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<TextLogFormatter>();
  }

 private:
  spdlog::pattern_formatter pattern_{"%Y-%m-%d %H:%M:%S.%e %^%l%$ %v"};
};

}  // namespace

std::unique_ptr<spdlog::formatter> make_log_formatter(Config::LogFormat format) {
  if (format == Config::LogFormat::json) return std::make_unique<JsonLogFormatter>();
  return std::make_unique<TextLogFormatter>();
}

}  // namespace pgtide
