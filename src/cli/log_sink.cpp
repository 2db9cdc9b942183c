#include "cli/log_sink.hpp"

#include <poll.h>
#include <spdlog/details/log_msg.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <mutex>
#include <string>
#include <string_view>

// A write of PIPE_BUF bytes to a pipe that poll() calls writable does not block (pipe(7)); files
// and terminals are always writable. So no descriptor, which others share, is made non-blocking,
// and there is no thread and no queue that could fill. (Rejected: spdlog's asynchronous logger. It
// formats in a thread of its own, where nobody knows which connection a line is about, and loses
// what is queued when the program ends at once.)
namespace pgtide {
namespace {

constexpr int patience_ms = 100;

bool takes_more(int patience) {
  pollfd error{STDERR_FILENO, POLLOUT, 0};
  return ::poll(&error, 1, patience) == 1;
}

std::string_view colour_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::critical: return "\033[1m\033[41m";
    case spdlog::level::err: return "\033[31m\033[1m";
    case spdlog::level::warn: return "\033[33m\033[1m";
    case spdlog::level::info: return "\033[32m";
    default: return "\033[36m";
  }
}

class LogSink final : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& line) override {
    if (!takes_more(lost_ > 0 ? 0 : patience_ms)) {
      ++lost_;
      return;
    }
    if (lost_ > 0) {
      const std::string text = std::to_string(lost_) + " lines are missing here: nobody read them";
      write(print({line.time, {}, line.logger_name, spdlog::level::warn, text}));
    }
    lost_ = 0;
    write(print(line));
  }
  void flush_() override {}

 private:
  std::string print(const spdlog::details::log_msg& line) {
    spdlog::memory_buf_t formatted;
    formatter_->format(line, formatted);
    std::string text(formatted.data(), formatted.size());
    if (coloured_ && line.color_range_end > line.color_range_start) {
      text.insert(line.color_range_end, "\033[m");
      text.insert(line.color_range_start, colour_of(line.level));
    }
    return text;
  }

  // The rest of a line whose reader stalls in its midst is dropped.
  void write(std::string_view text) {
    while (!text.empty() && takes_more(patience_ms)) {
      const auto written =
          ::write(STDERR_FILENO, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
      if (written <= 0) return;  // the disk is full, or nobody is there any more
      text.remove_prefix(static_cast<std::size_t>(written));
    }
  }

  const bool coloured_ = ::isatty(STDERR_FILENO) == 1;
  std::size_t lost_ = 0;  // lines since the reader stalled
};

}  // namespace

std::shared_ptr<spdlog::sinks::sink> make_log_sink() { return std::make_shared<LogSink>(); }

}  // namespace pgtide
