#pragma once
#include <doctest/doctest.h>

#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

#include "capture/change_source.hpp"
#include "capture/schema.hpp"
#include "support/eventually.hpp"
#include "support/installed_database.hpp"

namespace pgtide::test {

// A sink that keeps what it is given and watches over the promises of the stream: ticks follow each
// other, ids ascend within a tick, pieces are bounded, nothing comes before begin_at().
class Recorder : public ChangeSink {
 public:
  struct Begin {
    Cursor position;
    std::optional<ResyncReason> why;
  };

  void begin_at(const Cursor& position, std::shared_ptr<const Catalog> catalog,
                std::optional<ResyncReason> why) override {
    const std::lock_guard lock(mutex_);
    if (catalog == nullptr) broken_.emplace_back("a null catalog");
    begins_.push_back({position, why});
    tick_ = position.id == Cursor::whole_tick ? position.tick : position.tick - 1;
    id_ = position.id == Cursor::whole_tick ? 0 : position.id;
    catalog_ = std::move(catalog);
  }
  void catalog_changed(std::shared_ptr<const Catalog> catalog) override {
    const std::lock_guard lock(mutex_);
    catalog_ = std::move(catalog);
  }
  void deliver(std::shared_ptr<const Batch> piece) override {
    std::unique_lock lock(mutex_);
    watch_over(*piece);
    pieces_ += 1;
    at_ = piece->cursor_end();
    for (const Event& event : piece->events) {
      events_seen_ += 1;
      if (keep_events) events_.push_back(event);
    }
    ready_.wait(lock, [this] { return !held_; });
  }
  void status_changed(const SourceStatus& status) override {
    const std::lock_guard lock(mutex_);
    if (!status.fault.empty()) faults_.push_back(status.fault);
  }

  std::vector<Event> events() const { return locked(events_); }
  std::size_t count() const { return locked(events_seen_); }
  std::size_t pieces() const { return locked(pieces_); }
  std::vector<Begin> begins() const { return locked(begins_); }
  std::vector<std::string> faults() const { return locked(faults_); }
  std::vector<std::string> broken() const { return locked(broken_); }
  std::shared_ptr<const Catalog> catalog() const { return locked(catalog_); }
  Cursor position() const { return locked(at_); }
  void hold(bool on) {
    {
      const std::lock_guard lock(mutex_);
      held_ = on;
    }
    ready_.notify_all();
  }

  bool keep_events = true;

 private:
  template <class T>
  T locked(const T& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }
  void watch_over(const Batch& piece) {
    const std::string at = " at tick " + std::to_string(piece.tick);
    if (begins_.empty()) broken_.push_back("a batch before begin_at" + at);
    if (piece.tick != tick_ + 1) broken_.push_back("not the next tick" + at);
    if (piece.events.empty() && !piece.ends_tick) broken_.push_back("an empty piece" + at);
    if (piece.events.size() > 1 && piece.bytes() > Batch::piece_bytes_max)
      broken_.push_back("a piece of " + std::to_string(piece.bytes()) + at);
    for (const Event& event : piece.events) {
      if (event.id <= id_) broken_.push_back("id " + std::to_string(event.id) + at);
      id_ = event.id;
    }
    if (!piece.ends_tick) return;
    tick_ = piece.tick;
    id_ = 0;
  }

  mutable std::mutex mutex_;
  std::condition_variable ready_;
  bool held_ = false;
  std::vector<Event> events_;
  std::vector<Begin> begins_;
  std::vector<std::string> faults_;
  std::vector<std::string> broken_;
  std::shared_ptr<const Catalog> catalog_;
  Cursor at_;
  std::size_t events_seen_ = 0;
  std::size_t pieces_ = 0;
  std::uint64_t tick_ = 0;
  std::uint64_t id_ = 0;
};

// A source that runs from here to the end of the scope.
struct Running {
  explicit Running(SourceOptions options) : source(make_postgres_source(std::move(options))) {
    source->start(sink);
  }
  explicit Running(const Database& database) : Running(options_for(database)) {}
  ~Running() { source->stop(); }

  static SourceOptions options_for(const Database& database) {
    SourceOptions options;
    options.url = database.url();
    return options;
  }
  void wait_until_leading() {
    eventually([this] { return source->status().leader; }, std::chrono::seconds{20},
               [this] { return source->status().fault; });
  }
  void wait_for(std::size_t events, std::chrono::milliseconds limit = std::chrono::seconds{20}) {
    eventually([&] { return sink.count() >= events; }, limit,
               [&] { return std::to_string(sink.count()) + "; " + source->status().fault; });
  }

  Recorder sink;
  std::unique_ptr<ChangeSource> source;
};

inline void watch_in(const Database& database, const std::string& table) {
  WatchOptions options;
  options.table = table;
  const auto done = watch(database.url(), options);
  if (!done) FAIL(done.error().to_string());
}

// A database that watches one table. `options`: as CREATE DATABASE has them.
struct Posts {
  explicit Posts(const std::string& options = "") : database(options) {
    database.run("create table posts (id bigint primary key, title text)");
    watch_in(database, "posts");
  }
  InstalledDatabase database;
};

// Does the leader sleep, and want to be woken?
inline bool is_armed(Database& database) {
  return database.value("select pg_sequence_last_value('pgtide.armed') > 0") == "t";
}

// A figure that the environment may raise for a longer run: PGTIDE_TEST_<name>.
inline long figure(const char* name, long otherwise) {
  const char* text = std::getenv((std::string("PGTIDE_TEST_") + name).c_str());
  return text == nullptr ? otherwise : std::atol(text);
}

// The records that were created, in order.
inline std::vector<std::string> created_in(const Recorder& sink) {
  std::vector<std::string> ids;
  for (const Event& event : sink.events())
    if (event.action == Action::create) ids.push_back(event.record_id);
  return ids;
}

// "c 5 {"id":5}", one line for comparing.
inline std::string line_of(const Event& event) {
  return std::string(to_string(event.action)) + " " + event.collection + " " + event.record_id +
         " " + event.new_row;
}
inline std::vector<std::string> lines_of(const std::vector<Event>& events) {
  std::vector<std::string> lines;
  for (const Event& event : events) lines.push_back(line_of(event));
  return lines;
}

}  // namespace pgtide::test
