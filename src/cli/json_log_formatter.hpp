#pragma once
#include <spdlog/formatter.h>

#include <memory>

namespace pgtide {

// A log line as one JSON object: {"time","level","message"}. Bytes that are no UTF-8 are replaced.
class JsonLogFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& line, spdlog::memory_buf_t& out) override;
  std::unique_ptr<spdlog::formatter> clone() const override;
};

}  // namespace pgtide
