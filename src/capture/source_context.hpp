#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "capture/catalog_loader.hpp"
#include "capture/feed.hpp"
#include "capture/database_session.hpp"
#include "capture/status_board.hpp"
#include "capture/wake_signal.hpp"

namespace pgtide {

// What the parts of one running source share, from start() to stop(): it outlives every connection.
// Belongs to the source's thread, but for what is said to be of any thread.
class SourceContext {
 public:
  SourceContext(const SourceOptions& given, ChangeSink& receiver, StatusBoard& status)
      : options(given), sink(receiver), board(status), feed(receiver, status),
        listed_tables_(given.listed_tables) {}

  const SourceOptions& options;
  ChangeSink& sink;
  StatusBoard& board;
  Feed feed;
  CatalogLoader catalogs;
  WakeSignal signal;

  // Any thread. Also ends a statement that is running now.
  void ask_to_stop();
  bool stopping() const { return stopping_; }
  // Any thread; the source's takes it up with refresh_catalog().
  void list_tables(std::vector<std::string> tables);

  // Any other thread: asks for a refresh, and waits so long for it. False where it did not come.
  bool await_refresh(std::chrono::milliseconds time_max);

  // Where the source stands while it is connected. With `fault` it says why the catalog could not
  // be read, where that is so.
  void stand(bool leader, const std::string& fault);

  // Loads the catalog and tells the sink if it has changed. Where that takes too long and there is
  // an older one to go on with, stand() says so, and it is tried again later.
  void refresh_catalog(DatabaseSession& session);
  // A NOTIFY says that what is watched has changed. Anybody may say so, as often as he likes: a
  // refresh comes of it once a second at most, and takes a tenth of the time at most.
  void note_catalog_notice() { catalog_noticed_ = true; }
  // A refresh was asked for since the last one, or list_tables() was called, or there was a notice
  // whose time has come.
  bool catalog_is_due() const {
    return catalog_is_due_ || std::chrono::steady_clock::now() >= notice_due();
  }
  // When the refresh for a notice is due; time_point::max(): there is none.
  std::chrono::steady_clock::time_point notice_due() const;

  // Lets ask_to_stop() cancel what `session` runs, for as long as the guard lives.
  class Cancellable {
   public:
    Cancellable(SourceContext& context, DatabaseSession& session);
    ~Cancellable();
    Cancellable(const Cancellable&) = delete;
    Cancellable& operator=(const Cancellable&) = delete;

   private:
    SourceContext& context_;
    DatabaseSession& session_;
  };

 private:
  std::shared_ptr<const Catalog> load_catalog(DatabaseSession& session,
                                              const std::vector<std::string>& tables);

  bool leads_ = false;
  std::string fault_;          // as stand() was told
  std::string catalog_fault_;  // what the last reading of the catalog failed of
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> catalog_is_due_ = false;
  bool catalog_noticed_ = false;
  std::chrono::steady_clock::time_point notice_welcome_at_{};
  std::mutex mutex_;  // of all below
  std::vector<DatabaseSession*> sessions_;
  std::vector<std::string> listed_tables_;
  std::uint64_t refreshes_wanted_ = 0;
  std::uint64_t refreshes_done_ = 0;
  std::condition_variable refreshed_;
};

}  // namespace pgtide
