#include "capture/pager.hpp"

#include <algorithm>

#include "capture/change_query.hpp"
#include "capture/change_row.hpp"
#include "capture/fault.hpp"

namespace pgtide {
namespace {

constexpr std::int64_t window_ids = 1000;
constexpr std::int64_t window_ids_max = 1'024'000;
// A server that is short of memory for a moment says the same as one that cannot hold the row; a
// row below this is never the reason.
constexpr std::int64_t unholdable_bytes_min = 64 * 1'048'576;
// Below this a search by xid costs less than walking over the ids between (0.1 s per 100,000).
constexpr std::int64_t searched_changes_max = 100'000;

}  // namespace

Pager::Pager(DatabaseSession& session) : session_(session) {
  session_.prepare("extent", extent_statement());
  session_.prepare("next_id", next_id_statement());
  session_.prepare("window", window_statement());
  session_.prepare("page", page_statement());
  session_.prepare("reduced", reduced_change_statement());
  session_.prepare("bare", bare_change_statement());
}

// What was logged since the last summary lies outside of BRIN and would be visited by every window.
void Pager::summarize() {
  session_.run(
      "select brin_summarize_new_values(i.indexrelid) from pg_index i "
      "join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam "
      "where a.amname = 'brin' and i.indrelid in ('pgtide.log0'::regclass, "
      "'pgtide.log1'::regclass, 'pgtide.log2'::regclass)");
}

Pager::Extent Pager::measure(const Reading& reading) {
  const auto rows = session_.run_prepared("extent", reading.before, reading.snapshot,
                                          static_cast<std::int64_t>(reading.after));
  return {integer_of(rows[0][0]), integer_of(rows[0][1]), integer_of(rows[0][2])};
}

std::int64_t Pager::next_start(const Reading& reading, std::int64_t after) {
  const auto rows = session_.run_prepared("next_id", reading.before, reading.snapshot, after);
  return integer_of(rows[0][0]) - 1;
}

bool Pager::read(const Reading& reading) {
  summarize();
  const Extent extent = measure(reading);
  reading.require_kept();
  std::int64_t from = extent.first - 1;
  std::int64_t width = window_ids;
  while (extent.changes > 0 && from < extent.last) {
    if (reading.stopping()) return false;
    const std::int64_t to = std::min(from + width, extent.last);
    const auto weights =
        session_.run_prepared("window", reading.before, reading.snapshot, from, to);
    if (!weights.empty()) {
      read_window(reading, weights, from);
      const bool all = static_cast<int>(weights.size()) < weighed_changes_max;
      from = all ? to : integer_of(weights[weights.size() - 1][0]);
      width = window_ids;
    } else if (extent.changes <= searched_changes_max) {
      from = std::max(next_start(reading, from), to);
    } else {
      width = std::min(width * 2, window_ids_max);
      from = to;
    }
  }
  reading.require_kept();
  return !reading.stopping();
}

// Runs of rows of at most page_bytes_max in total; one past event_bytes by itself.
void Pager::read_window(const Reading& reading, const pqxx::result& weights, std::int64_t from) {
  const auto alone = static_cast<std::int64_t>(reading.event_bytes);
  std::int64_t bytes = 0;
  std::int64_t last = from;
  const auto read_up_to = [&](std::int64_t id) {
    if (id > from && !reading.stopping()) read_page(reading, {from, id, bytes});
    from = id;
    bytes = 0;
  };
  for (const auto& row : weights) {
    const std::int64_t weight = integer_of(row[1]);
    if (weight > alone || bytes + weight > page_bytes_max) read_up_to(last);
    bytes += weight;
    last = integer_of(row[0]);
    if (weight > alone) read_up_to(last);
  }
  read_up_to(last);
}

void Pager::read_page(const Reading& reading, const Page& page) {
  if (page.bytes > whole_change_bytes_max(reading.event_bytes)) return read_reduced(reading, page);
  read_whole(reading, page);
}

void Pager::read_whole(const Reading& reading, const Page& page) {
  try {
    const auto rows =
        session_.run_prepared("page", reading.before, reading.snapshot, page.from, page.to);
    reading.require_kept();
    reading.take(rows);
    return;
  } catch (const pqxx::sql_error& error) {
    const std::string state = sqlstate_of(error);
    const bool unholdable = is_out_of_memory(state) && page.bytes > unholdable_bytes_min;
    if (unholdable) return reading.lost(static_cast<std::uint64_t>(page.to));
    if (!is_unprintable(state)) throw;
  }
  if (page.from + 1 == page.to) return reading.lost(static_cast<std::uint64_t>(page.to));
  const std::int64_t middle = page.from + (page.to - page.from) / 2;
  read_whole(reading, {page.from, middle, page.bytes});
  read_whole(reading, {middle, page.to, page.bytes});
}

void Pager::read_reduced(const Reading& reading, const Page& page) {
  pqxx::result rows;
  try {
    rows = session_.run_prepared("reduced", reading.before, reading.snapshot, page.from, page.to,
                                 whole_change_bytes_max(reading.event_bytes));
  } catch (const pqxx::sql_error& error) {
    const std::string state = sqlstate_of(error);
    if (!is_unprintable(state) && !is_out_of_resources(state)) throw;
    if (!read_bare(reading, page, rows)) {
      return reading.lost(static_cast<std::uint64_t>(page.to));
    }
  }
  reading.require_kept();
  reading.take(rows);
}

// False where not even the key can be printed.
bool Pager::read_bare(const Reading& reading, const Page& page, pqxx::result& rows) {
  try {
    rows = session_.run_prepared("bare", reading.before, reading.snapshot, page.from, page.to);
    return true;
  } catch (const pqxx::sql_error& error) {
    if (!is_unprintable(sqlstate_of(error))) throw;
    return false;
  }
}

}  // namespace pgtide
