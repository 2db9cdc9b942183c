#include "capture/batch_reader.hpp"

#include "capture/change_query.hpp"
#include "capture/change_row.hpp"
#include "capture/connection_string.hpp"
#include "capture/fault.hpp"

namespace pgtide {

BatchReader::Pages::Pages(SourceContext& context, const DatabaseSession& main)
    : session(make_connection_string(context.options.url), context.board.queries()),
      cancellable(context, session) {
  session.trust(main.guard());
}

bool BatchReader::deliver_fresh(const Tick& tick, const pqxx::result& rows) {
  context_.feed.open(tick);
  return deliver(tick, rows);
}

bool BatchReader::deliver_stored(const Tick& tick) {
  Feed& feed = context_.feed;
  feed.open(tick);
  const std::uint64_t after = feed.progress().partial_id;
  pqxx::result rows;
  try {
    rows = main_.run_prepared("stored_tick", feed.progress().last.snapshot, tick.snapshot,
                              static_cast<std::int64_t>(after));
  } catch (const pqxx::sql_error& error) {
    const std::string state = sqlstate_of(error);
    if (!is_unprintable(state) && !is_out_of_memory(state)) throw;
    return deliver_pages(tick, after);
  }
  require_kept(main_, tick);
  return deliver(tick, rows);
}

bool BatchReader::deliver(const Tick& tick, const pqxx::result& rows) {
  Feed& feed = context_.feed;
  const std::int64_t changes = integer_of(rows[0][HeaderColumn::changes]);
  std::uint64_t after = feed.progress().partial_id;
  if (static_cast<std::int64_t>(rows.size()) == changes + 1) {
    if (feed.needs_catalog(rows, HeaderColumn::count)) context_.refresh_catalog(main_);
    const std::optional<std::uint64_t> cut = feed.take(rows, HeaderColumn::count);
    if (!cut) {
      feed.close();
      return true;
    }
    after = *cut;
  }
  return deliver_pages(tick, after);
}

bool BatchReader::deliver_pages(const Tick& tick, std::uint64_t after) {
  if (pages_ == nullptr) {
    pages_ = std::make_unique<Pages>(context_, main_);
    pager_ = std::make_unique<Pager>(pages_->session);
  }
  paged_ = true;
  Pager::Reading reading{context_.feed.progress().last.snapshot, tick.snapshot, after,
                         context_.options.event_bytes};
  reading.stopping = [this] { return context_.stopping(); };
  reading.require_kept = [this, &tick] { require_kept(pages_->session, tick); };
  reading.take = [this](const pqxx::result& rows) { take(rows, 0); };
  reading.lost = [this](std::uint64_t id) { skip(id); };
  if (!pager_->read(reading)) return false;
  context_.feed.close();
  return true;
}

void BatchReader::take(const pqxx::result& rows, int first) {
  if (context_.feed.needs_catalog(rows, first)) context_.refresh_catalog(main_);
  context_.feed.take(rows, first);
}

// Its key prints in most cases where its rows do not.
void BatchReader::skip(std::uint64_t id) {
  Event change;
  change.id = id;
  change.record_id = "at log id " + std::to_string(id);
  try {
    const auto found = pages_->session.run(named_change_statement(id));
    if (!found.empty() && !found[0][1].is_null()) {
      change.collection_id = static_cast<std::int32_t>(integer_of(found[0][0]));
      change.record_id = text_of(found[0][1]);
    }
  } catch (const pqxx::sql_error& error) {
    if (!is_unprintable(sqlstate_of(error))) throw;
  }
  context_.feed.skip(std::move(change), "PostgreSQL cannot print it");
}

// A statement whose snapshot is older than a TRUNCATE finds nothing and no error: whoever has read
// must ask, in a later statement, whether it was still there.
void BatchReader::require_kept(DatabaseSession& session, const Tick& tick) {
  const auto horizon = bits_of(session.run("select horizon from pgtide.meta")[0][0]);
  if (horizon >= tick.n)
    throw CaptureFault(ErrorKind::unavailable,
                       "fell behind: the log has been emptied up to tick " +
                           std::to_string(horizon));
}

void BatchReader::rest() {
  if (!paged_) {
    pager_.reset();
    pages_.reset();
  }
  paged_ = false;
}

}  // namespace pgtide
