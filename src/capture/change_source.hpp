#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/batch.hpp"
#include "model/cursor_sealer.hpp"
#include "model/catalog.hpp"
#include "model/wire_code.hpp"
#include "pgtide/config.hpp"

namespace pgtide {

// Where the source stands, for /readyz, /metrics and the log. All counters since it was made.
struct SourceStatus {
  bool connected = false;
  bool leader = false;
  std::string fault{};  // why it is not connected or not working, and the mend; empty: all is well
  std::uint64_t tick = 0;              // the last one delivered
  std::uint64_t batches = 0;
  std::uint64_t changes = 0;           // read from the log
  std::uint64_t changes_skipped = 0;   // could not be sent: no JSON, no UTF-8
  // What was skipped within the last hour, by whichever bridge, and nobody has acknowledged; each
  // with the command that does so.
  std::vector<std::string> skipped{};
  std::uint64_t reconnects = 0;
  std::uint64_t queries = 0;           // statements sent, for "idle costs nothing"
  std::uint64_t log_bytes = 0;         // size of the log and tick tables, as last looked at
  std::string log_fault{};  // why the log is larger than it may be, and the mend; the leader's
  std::int64_t tick_at_us = 0;         // when the last delivered tick was made (server's clock)
  std::int64_t oldest_unread_us = 0;   // since when changes wait (server's clock); 0: none does
  bool lacks_ticks = false;  // what waits has no tick yet: whoever leads makes none
  // When the database last said how far the stream goes: every two seconds at the least.
  std::chrono::steady_clock::time_point heard_at{};
};

// Who takes what the source reads. All calls come from the source's thread, one after another.
class ChangeSink {
 public:
  virtual ~ChangeSink() = default;
  // What cursors are sealed with from now on; before begin_at(), and again after each connection.
  virtual void use_cursor_key(const CursorKey&) {}
  // First call after start(), and again when history has ended (a restore into another cluster,
  // an expired position): from here on batches follow `position` without a gap. `why` is empty on
  // the first call.
  virtual void begin_at(const Cursor& position, std::shared_ptr<const Catalog> catalog,
                        std::optional<ResyncReason> why) = 0;
  // What is watched has changed; comes before the first batch that carries it.
  virtual void catalog_changed(std::shared_ptr<const Catalog> catalog) = 0;
  // The next piece of the stream. Blocks while the receivers are behind: the log waits in the
  // database. Returns early once stop() was asked for.
  virtual void deliver(std::shared_ptr<const Batch> piece) = 0;
  // `fault`, `connected` or `leader` is another than before.
  virtual void status_changed(const SourceStatus& status) = 0;
};

struct SourceOptions {
  std::string url{};  // libpq URL or key=value string
  Config::WakeUp wake_up = Config::WakeUp::automatic;
  std::chrono::milliseconds retention{std::chrono::hours{24}};
  std::uint64_t log_bytes = 10'737'418'240;
  std::size_t event_bytes = 1'048'576;      // a row past it is read by itself
  std::vector<std::string> listed_tables{};  // "schema.table": the rules' tables, for the catalog
  std::optional<Cursor> after{};             // go on from here; empty: from the present
  // Of a look at the watched tables, and of each statement that reads the catalog.
  std::chrono::milliseconds statement_time_max{10'000};
};

// The source of batches: the one seam that tests replace. A source has its own thread between
// start() and stop(); it never gives up: what fails is reported in its status and tried again.
class ChangeSource {
 public:
  virtual ~ChangeSource() = default;
  virtual void start(ChangeSink& sink) = 0;
  // Ends the thread; no call to the sink comes after it returns. Lets go of the leader's lock.
  virtual void stop() = 0;
  virtual SourceStatus status() const = 0;  // from any thread
  // The rules name other tables now; the next catalog says which of them are unwatched.
  virtual void list_tables(std::vector<std::string> tables) = 0;  // from any thread
  // Has the catalog read anew, and the sink told where it differs, before it returns true; false
  // where that took longer. From any thread but the sink's.
  virtual bool refresh_catalog(std::chrono::milliseconds time_max) = 0;
};

// The log of a PostgreSQL database (CAPTURE).
std::unique_ptr<ChangeSource> make_postgres_source(SourceOptions options);

}  // namespace pgtide
