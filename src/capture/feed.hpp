#pragma once
#include <memory>
#include <optional>
#include <pqxx/pqxx>

#include "capture/change_row.hpp"
#include "capture/change_source.hpp"
#include "capture/status_board.hpp"
#include "capture/tick.hpp"

namespace pgtide {

// The sink's side of the source: what has been handed over, so that every change is handed over
// exactly once, whatever becomes of the connections. It outlives them all.
//
// A tick is open()ed, its changes are given in the order of their ids in any number of results, and
// close()d. A lost connection leaves it half way: progress() says how far, and the same tick is
// opened again from there. One event is always held back until it is known whether the tick ends
// with it. Owned by the source's thread.
class Feed {
 public:
  Feed(ChangeSink& sink, StatusBoard& board) : sink_(sink), board_(board) {}

  bool has_begun() const { return begun_; }
  const Progress& progress() const { return progress_; }

  // History begins at `progress`. The catalog must have been set.
  void begin(Progress progress, std::optional<ResyncReason> why);

  // Tells the sink, once it has begun.
  void set_catalog(std::shared_ptr<const Catalog> catalog);
  const std::shared_ptr<const Catalog>& catalog() const { return catalog_; }
  // `rows` speak of a collection that is not known, or of a change of one, or have other columns
  // than the catalog says: load it anew first, since rules go by the names of columns.
  bool needs_catalog(const pqxx::result& rows, int first);

  void open(const Tick& tick);
  // Changes whose id is past what was delivered, ordered; `first` as in ChangeRows::read. A row
  // whose texts were withheld ends the taking: returns the id up to which everything was taken, or
  // none where all was.
  std::optional<std::uint64_t> take(const pqxx::result& rows, int first);
  // The same for a change that could not be read, in its place.
  void skip(Event change, std::string_view why);
  void close();

  ChangeRows& rows() { return rows_; }

 private:
  void add(Event event);
  void flush(bool ends_tick);
  bool is_change(const pqxx::row& row, int first) const;
  bool has_altered(const pqxx::result& rows, int first);

  ChangeSink& sink_;
  StatusBoard& board_;
  ChangeRows rows_;
  std::shared_ptr<const Catalog> catalog_;
  Progress progress_;
  bool begun_ = false;

  Tick open_;                 // the tick that is being delivered
  std::uint64_t taken_ = 0;   // the id of its last change that was taken
  std::vector<Event> piece_;  // not delivered yet
  std::size_t piece_bytes_ = 0;
};

}  // namespace pgtide
