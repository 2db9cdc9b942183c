#include "capture/position.hpp"

#include <charconv>
#include <optional>
#include <utility>

#include "capture/change_query.hpp"
#include "capture/change_row.hpp"
#include "capture/fault.hpp"
#include "capture/schema.hpp"
#include "capture/schema_owner.hpp"

namespace pgtide {
namespace {

Tick read_tick(const pqxx::row& row) {
  return {bits_of(row[0]), bits_of(row[1]), std::string(text_of(row[2])), integer_of(row[3])};
}

std::vector<Tick> select_ticks(DatabaseSession& session, const std::string& rest) {
  std::vector<Tick> ticks;
  for (const auto& row : session.run(std::string("select ") + tick_columns_sql + " from " +
                                     ticks_sql + " kept " + rest))
    ticks.push_back(read_tick(row));
  return ticks;
}

std::optional<Tick> find_tick(DatabaseSession& session, std::uint64_t n) {
  const auto ticks = select_ticks(session, "where n = " + std::to_string(n));
  return ticks.empty() ? std::nullopt : std::optional(ticks.front());
}

struct History {
  std::uint64_t epoch = 0;
  std::uint64_t horizon = 0;
  CursorKey cursor_key{};
  std::optional<Tick> newest{};
};

// From PostgreSQL's hexadecimal text, which encode() makes whatever bytea_output says.
CursorKey read_cursor_key(const pqxx::field& field) {
  CursorKey key{};
  const std::string_view digits = field.is_null() ? std::string_view() : text_of(field);
  if (digits.size() != 2 * key.size())
    throw CaptureFault(ErrorKind::conflict,
                       "pgtide.meta has no cursor_key of 32 bytes; run: pgtide install");
  for (std::size_t i = 0; i < key.size(); ++i)
    std::from_chars(digits.data() + 2 * i, digits.data() + 2 * i + 2, key[i], 16);
  return key;
}

// The horizon is read last: what was emptied before it was read is at or below it.
History read_history(DatabaseSession& session) {
  History history;
  auto newest = select_ticks(session, "order by n desc limit 1");
  if (!newest.empty()) history.newest = std::move(newest.front());
  const auto row = session.run(
      "select epoch, horizon, pg_catalog.encode(cursor_key, 'hex') from pgtide.meta")[0];
  history.epoch = bits_of(row[0]);
  history.horizon = bits_of(row[1]);
  history.cursor_key = read_cursor_key(row[2]);
  return history;
}

// Can what follows tick `n` of nonce `nonce` still be read?
std::optional<Tick> find_kept(DatabaseSession& session, const History& history, std::uint64_t n,
                              std::uint64_t nonce) {
  if (n < history.horizon) return std::nullopt;
  auto tick = find_tick(session, n);
  if (!tick || tick->nonce != nonce) return std::nullopt;
  if (n < history.newest->n && !find_tick(session, n + 1)) return std::nullopt;
  return tick;
}

bool is_continued(DatabaseSession& session, const History& history, const Progress& progress) {
  if (progress.epoch != history.epoch) return false;
  if (!find_kept(session, history, progress.last.n, progress.last.nonce)) return false;
  if (progress.partial_id == 0) return true;
  return find_kept(session, history, progress.last.n + 1, progress.partial_nonce).has_value();
}

std::optional<Progress> find_progress(DatabaseSession& session, const History& history,
                                      const Cursor& cursor) {
  if (cursor.epoch != history.epoch || cursor.tick == 0) return std::nullopt;
  auto tick = find_kept(session, history, cursor.tick, cursor.nonce);
  if (!tick) return std::nullopt;
  if (cursor.id == Cursor::whole_tick) return Progress{history.epoch, std::move(*tick)};
  auto before = find_tick(session, cursor.tick - 1);
  if (!before || before->n < history.horizon) return std::nullopt;
  return Progress{history.epoch, std::move(*before), cursor.nonce, cursor.id};
}

}  // namespace

void require_schema(DatabaseSession& session) {
  const auto found = session.run(schema_owner_sql)[0];
  const std::string database = require_trusted_owner(found);
  session.trust(schema_guard(found));
  const auto meta = session.run("select schema_version from pgtide.meta");
  if (meta.empty())
    throw CaptureFault(ErrorKind::not_found, "table pgtide.meta is empty; run: pgtide install");
  const auto version = integer_of(meta[0][0]);
  if (version < schema_version)
    throw CaptureFault(ErrorKind::conflict, "the pgtide schema of database " + database +
                                                " is version " + std::to_string(version) +
                                                ", this program needs " +
                                                std::to_string(schema_version) +
                                                "; run: pgtide install");
  if (version > schema_version)
    throw CaptureFault(ErrorKind::conflict, "the pgtide schema of database " + database +
                                                " is version " + std::to_string(version) +
                                                ", newer than this program; use a newer pgtide");
}

void require_installed(DatabaseSession& session) {
  if (text_of(session.run("select pg_is_in_recovery()")[0][0]) == "t")
    throw CaptureFault(ErrorKind::unavailable,
                       "the server is a standby; give the address of the primary in database.url");
  require_schema(session);
}

void secure_history(DatabaseSession& session) {
  const auto sequence = session.run(
      "select seqcache = 1 and seqincrement > 0 and not seqcycle from pg_sequence "
      "where seqrelid = 'pgtide.change_id'::regclass");
  if (text_of(sequence[0][0]) != "t")
    throw CaptureFault(ErrorKind::conflict,
                       "sequence pgtide.change_id does not count upwards: the log would be out of "
                       "order; run: alter sequence pgtide.change_id cache 1 increment 1 "
                       "no cycle");
  const std::string newest = std::string("(select snapshot from ") + ticks_sql +
                             " kept order by n desc limit 1)";
  const auto same = session.run(
      "select m.system_identifier = c.system_identifier and m.database_oid = d.oid and "
      "coalesce(pg_snapshot_xmax(" + newest + ") <= pg_snapshot_xmax(pg_current_snapshot()), "
      "m.horizon = 0) from pgtide.meta m, pg_control_system() c, pg_database d "
      "where d.datname = current_database()");
  if (text_of(same[0][0]) != "t") session.run("select pgtide.begin_anew()");
  session.run(std::string("insert into pgtide.tick0 (n, nonce, snapshot, last_id, xid) "
                          "select 1, pgtide.random_bigint(), '3:3:', ") + last_id_sql +
              ", pg_current_xact_id() where not exists (select from " + ticks_sql + " kept)");
}

void begin_anew(DatabaseSession& session, std::uint64_t epoch) {
  session.run_with("select pgtide.begin_anew($1::bigint)", static_cast<std::int64_t>(epoch));
}

void establish_position(DatabaseSession& session, SourceContext& context) {
  const History history = read_history(session);
  if (!history.newest)
    throw CaptureFault(ErrorKind::unavailable, "waiting for the leading bridge's first tick");
  const Progress present{history.epoch, *history.newest};
  Feed& feed = context.feed;
  context.sink.use_cursor_key(history.cursor_key);
  if (feed.has_begun()) {
    const Progress& progress = feed.progress();
    if (is_continued(session, history, progress)) return;
    const bool expired =
        progress.epoch == history.epoch && progress.last.n < history.horizon;
    feed.begin(present, expired ? ResyncReason::cursor_expired : ResyncReason::log_lost);
    return;
  }
  if (!context.options.after) return feed.begin(present, std::nullopt);
  if (auto progress = find_progress(session, history, *context.options.after))
    return feed.begin(std::move(*progress), std::nullopt);
  const bool lost = context.options.after->epoch != history.epoch;
  feed.begin(present, lost ? ResyncReason::log_lost : ResyncReason::cursor_expired);
}

std::vector<Tick> ticks_after(DatabaseSession& session, std::uint64_t n) {
  auto ticks = select_ticks(session, "where n > " + std::to_string(n) + " and n <= " +
                                         std::to_string(n + 100) + " order by n");
  for (std::size_t i = 0; i < ticks.size(); ++i)
    if (ticks[i].n != n + 1 + i)
      throw CaptureFault(ErrorKind::unavailable,
                         "fell behind: tick " + std::to_string(n + 1 + i) + " is gone");
  return ticks;
}

}  // namespace pgtide
