#pragma once
#include <atomic>
#include <chrono>
#include <mutex>
#include <string>

#include "capture/change_source.hpp"

namespace pgtide {

// The source's status, written by its thread and read by any. The sink is told, from the source's
// thread, when fault, connected or leader has changed.
class StatusBoard {
 public:
  SourceStatus read() const;

  // Applies `change` to the status; never tells the sink.
  template <class Change>
  void update(Change&& change) {
    const std::lock_guard lock(mutex_);
    change(status_);
  }
  // Where the source stands now; the fault's text comes with its mend.
  void stand(ChangeSink& sink, bool connected, bool leader, const std::string& fault);

  // The database has just answered how far the stream goes.
  void heard() { heard_at_ = std::chrono::steady_clock::now(); }

  std::atomic<std::uint64_t>& queries() { return queries_; }

 private:
  mutable std::mutex mutex_;
  SourceStatus status_;
  std::atomic<std::uint64_t> queries_ = 0;
  std::atomic<std::chrono::steady_clock::time_point> heard_at_{};
};

}  // namespace pgtide
