#pragma once
#include <cstdint>
#include <cstdio>
#include <string>

namespace pgtide {

// When the log holds more than resume.log_bytes lets it. A table is switched at a third, and three
// of them may be full at the moment of the next switch: so a fifth more is none of that.
inline bool is_past_bound(std::uint64_t bytes, std::uint64_t bound) {
  return bytes / 6 > bound / 5;
}

inline constexpr const char* past_bound_mend =
    "see that a bridge leads and that no transaction stays open; the next change has it emptied";

inline std::string past_bound_text(std::uint64_t bytes, std::uint64_t bound) {
  char text[160];
  std::snprintf(text, sizeof text,
                "the log holds %.1f MB, more than the %.1f MB of resume.log_bytes: it is not being "
                "emptied",
                static_cast<double>(bytes) / 1'048'576, static_cast<double>(bound) / 1'048'576);
  return text;
}

}  // namespace pgtide
