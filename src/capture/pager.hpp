#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <pqxx/pqxx>
#include <string>

#include "capture/database_session.hpp"
#include "capture/tick.hpp"

namespace pgtide {

// Reads a batch of any size in pages of bounded bytes, so that five million changes take the memory
// of a few thousand (CAPTURE, "Ticks": large batches).
//
// It goes by windows of ids, which BRIN serves in 0.6 ms wherever in the batch they lie; the
// predicate by xid that finds a batch would visit all of it for each page. A window that holds none
// of the batch is followed by a search by xid where the batch is small enough to be visited, else
// by windows of doubled width.
// In a page rows are weighed before they are fetched. One that is longer than a frame could show is
// fetched without its longest values; where PostgreSQL cannot take it apart (no memory for that,
// JSON whose escapes stand for no text), without any. A row that PostgreSQL cannot send (not
// representable) is found by halving the page and reported to `lost`.
class Pager {
 public:
  struct Reading {
    std::string before;                 // the predecessor's snapshot
    std::string snapshot;               // the tick's own
    std::uint64_t after = 0;            // only changes whose id is past this one
    std::size_t event_bytes = 1'048'576;  // a row past it is read by itself
    std::function<bool()> stopping{};   // asked between pages: leaves the rest unread
    std::function<void()> require_kept{};  // called after each read; throws where the log is gone
    std::function<void(const pqxx::result&)> take{};  // ChangeColumn's columns, ordered by id
    std::function<void(std::uint64_t id)> lost{};
  };

  explicit Pager(DatabaseSession& session);
  // False where it was stopped before the end.
  bool read(const Reading& reading);

 private:
  struct Extent {
    std::int64_t changes = 0;
    std::int64_t first = 0;
    std::int64_t last = 0;
  };

  void summarize();
  Extent measure(const Reading& reading);
  std::int64_t next_start(const Reading& reading, std::int64_t after);
  void read_window(const Reading& reading, const pqxx::result& weights, std::int64_t from);
  struct Page {
    std::int64_t from = 0;  // ids past this one
    std::int64_t to = 0;
    std::int64_t bytes = 0;  // past page_bytes_max it is one row
  };
  void read_page(const Reading& reading, const Page& page);
  void read_whole(const Reading& reading, const Page& page);
  void read_reduced(const Reading& reading, const Page& page);
  bool read_bare(const Reading& reading, const Page& page, pqxx::result& rows);

  DatabaseSession& session_;
};

}  // namespace pgtide
