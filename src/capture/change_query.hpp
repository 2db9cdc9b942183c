#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

// The texts of the statements that read the change log and write ticks, and the columns that they
// return (CAPTURE, "Ticks").
//
// The batch of a tick is found by xid and never by id, which is handed out before commit. Two index
// scans per log table find it: what began after the predecessor's snapshot, and what was running
// then and has ended since. All three tables are read at all times, because a batch may lie on
// both sides of a switch and an empty table costs next to nothing.
//
// Rejected: two statements for tick and batch (in one transaction the tick would see its own xid;
// in two, a crash between them costs a read), and a cursor, which holds its snapshot as long as the
// slowest receiver.
namespace pgtide {

// A batch of more changes than this is read in pages.
inline constexpr int small_batch_changes_max = 2000;
// Bytes of rows, with their record ids, that one result may hold, but for a single row that is
// longer: libpqxx keeps whole results in memory.
inline constexpr int page_bytes_max = 4 * 1'048'576;
// A change whose rows, the old and the new one together, are longer than that is read without its
// longest values, and whatever `event_bytes` is: as long as one frame's row may be, it comes whole.
constexpr std::int64_t whole_change_bytes_max(std::size_t event_bytes) {
  return std::max<std::int64_t>(page_bytes_max, 2 * static_cast<std::int64_t>(event_bytes));
}

// Changes that one look at a window weighs: behind a gap of ids a window is as wide as a million.
inline constexpr int weighed_changes_max = 10'000;

// The order of columns in every result that carries changes.
struct ChangeColumn {
  enum Index : int { id, collection, action, record, at, old_row, new_row, withheld, reduced };
};
// A small read begins with one row about itself, and its changes follow in these columns after it.
struct HeaderColumn {
  enum Index : int { snapshot, known, tick_at_us, changes, last_id, disorder, count };
};

// What the column `disorder` says of a log that cannot be followed any further; null: it can.
inline constexpr const char* disorder_set_back = "set back";  // the sequence of ids went back
inline constexpr const char* disorder_foreign = "foreign";    // xids that are yet to come

// Makes tick $1 + 1 in table `into` (0..2) if there is something in it, and reads it.
// $1 the predecessor's number, $2 its nonce, $3 the new nonce, $4 a snapshot that has nothing more
// in it than the predecessor's, $5 tell followers, $6 seconds from now to renew the lease in
// `armed` for (0: do not). `with_rows` false makes the tick and reads nothing: for a row that
// PostgreSQL cannot print. $7 how far the ids had come at the last look.
std::string tick_statement(unsigned into, bool with_rows);

// Reads the batch between two stored snapshots: $1 before, $2 its own, $3 only ids past this one.
std::string stored_tick_statement();

// Is there a change that snapshot $1 does not see? One row: the present snapshot, whether there is,
// the server's clock in microseconds.
std::string unticked_statement();

// Pages of a large batch; $1 and $2 as above. All return rows in the order of id.
std::string extent_statement();   // ids past $3: how many, the least, the greatest
std::string next_id_statement();  // the least id past $3, by xid
std::string window_statement();   // ids in ($3, $4] with the bytes of their rows, the first ones
std::string page_statement();     // the changes in ($3, $4]

// The one change in ($3, $4], which is longer than that: its shortest values up to $5 bytes in sum,
// those of its key before all others, and a digest of each of the others (Row::parse_reduced).
std::string reduced_change_statement();
// The same without any value, where PostgreSQL cannot take its rows apart; of an update no old row.
std::string bare_change_statement();

// Collection and record of one change.
std::string named_change_statement(std::uint64_t id);

// Every tick that is kept, of all three tables.
inline constexpr const char* ticks_sql =
    "(select n, nonce, snapshot, at from pgtide.tick0 union all "
    "select n, nonce, snapshot, at from pgtide.tick1 union all "
    "select n, nonce, snapshot, at from pgtide.tick2)";

// A tick's columns as read_tick() takes them: n, nonce, snapshot, at_us.
inline constexpr const char* tick_columns_sql =
    "n, nonce, snapshot::text, (extract(epoch from at) * 1000000)::bigint";

// The last id that the sequence has given out; 0: none.
inline constexpr const char* last_id_sql =
    "coalesce(pg_sequence_last_value('pgtide.change_id'), 0)";

// Tick n lies in table n / ticks_per_table % 3. The third table is emptied while the second half of
// a block is made, so between 1.5 and 2.5 blocks of ticks are kept, and a change cannot be read any
// more whose tick is gone, whatever retention says. A leader makes at most 500 ticks a second: that
// is 3.5 hours at the least. Retention's default of 24 hours holds up to 72 ticks a second, around
// the clock. A table that is full takes some 400 MB.
inline constexpr unsigned ticks_per_table = 4'194'304;

}  // namespace pgtide
