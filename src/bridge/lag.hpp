#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "capture/change_source.hpp"

namespace pgtide {

// How long clients have lacked what is committed, and why.
struct Lag {
  std::chrono::microseconds time{0};
  const char* why = "";  // empty: nothing waits
};

// `now_us` by the server's clock, since 1970. A source that waits for an answer does not know
// whether it lacks anything, so past five seconds the wait itself counts: a sleeping one asks
// every two.
inline Lag lag_of(const SourceStatus& source, std::int64_t now_us) {
  using std::chrono::microseconds;
  if (source.oldest_unread_us != 0) {
    const microseconds time(std::max<std::int64_t>(now_us - source.oldest_unread_us, 0));
    return {time, source.lacks_ticks ? "the bridge that leads makes no ticks for newer changes"
                                     : "changes wait to be read and sent"};
  }
  if (!source.connected || source.heard_at == std::chrono::steady_clock::time_point{}) return {};
  const auto silent = std::chrono::steady_clock::now() - source.heard_at;
  if (silent < std::chrono::seconds{5}) return {};
  return {std::chrono::duration_cast<microseconds>(silent),
          "the database does not answer: see what our backends wait for in pg_stat_activity"};
}

// What is wrong with the log, and what was skipped: its subscribers were told.
inline void add_problems(const SourceStatus& source, std::vector<std::string>& problems) {
  if (!source.log_fault.empty()) problems.push_back(source.log_fault);
  problems.insert(problems.end(), source.skipped.begin(), source.skipped.end());
}

}  // namespace pgtide
