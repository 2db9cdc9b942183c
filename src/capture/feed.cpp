#include "capture/feed.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "capture/change_query.hpp"
#include "capture/fault.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

constexpr std::size_t events_named_max = 5;

std::size_t bytes_of(const Event& event) {
  return event.collection.size() + event.record_id.size() + event.new_row.size() +
         event.old_row.size() + event.timestamp.size();
}

// At debug level: what a tick holds, by its ids; from here on the log follows these.
void follow(const Batch& piece) {
  if (!spdlog::should_log(spdlog::level::debug)) return;
  std::string names;
  const std::size_t named = std::min(piece.events.size(), events_named_max);
  for (const Event& event : std::span(piece.events).first(named)) {
    names += (names.empty() ? ": " : ", ") + std::string(to_string(event.action)) + " of " +
             (event.collection.empty() ? "all" : event.collection) + " " + quoted(event.record_id) +
             " (change " + std::to_string(event.id) + ")";
  }
  spdlog::debug("tick {}: {} changes read{}{}{}", piece.tick, piece.events.size(), names,
                named < piece.events.size() ? " and more" : "",
                piece.ends_tick ? "" : "; the tick goes on");
}

}  // namespace

void Feed::begin(Progress progress, std::optional<ResyncReason> why) {
  PGTIDE_ASSERT(catalog_ != nullptr);
  progress_ = std::move(progress);
  begun_ = true;
  piece_.clear();
  piece_bytes_ = 0;
  Cursor position{progress_.epoch, progress_.last.n, progress_.last.nonce, Cursor::whole_tick};
  if (progress_.partial_id > 0)
    position = {progress_.epoch, progress_.last.n + 1, progress_.partial_nonce,
                progress_.partial_id};
  board_.update([&](SourceStatus& status) {
    status.tick = progress_.last.n;
    status.tick_at_us = progress_.last.at_us;
  });
  sink_.begin_at(position, catalog_, why);
}

void Feed::set_catalog(std::shared_ptr<const Catalog> catalog) {
  rows_.learn(*catalog);
  catalog_ = std::move(catalog);
  if (begun_) sink_.catalog_changed(catalog_);
}

bool Feed::is_change(const pqxx::row& row, int first) const {
  return !row[first + ChangeColumn::id].is_null() &&
         bits_of(row[first + ChangeColumn::id]) > progress_.partial_id;
}

bool Feed::needs_catalog(const pqxx::result& rows, int first) {
  for (const auto& row : rows) {
    if (!is_change(row, first)) continue;
    if (row[first + ChangeColumn::action].c_str()[0] == 's') return true;
    const auto collection = integer_of(row[first + ChangeColumn::collection]);
    if (!rows_.knows(static_cast<std::int32_t>(collection))) return true;
  }
  return has_altered(rows, first);
}

// ALTER TABLE waits for every writer, so that the last row of a collection has its latest columns:
// one row of each is looked into.
bool Feed::has_altered(const pqxx::result& rows, int first) {
  std::vector<std::int64_t> seen;
  for (auto i = rows.size(); i-- > 0;) {
    const auto row = rows[i];
    if (!is_change(row, first)) continue;
    const auto collection = integer_of(row[first + ChangeColumn::collection]);
    if (std::find(seen.begin(), seen.end(), collection) != seen.end()) continue;
    const auto shape = rows_.shape_of(row, first);
    if (shape == ChangeRows::Shape::altered) return true;
    if (shape == ChangeRows::Shape::known) seen.push_back(collection);
  }
  return false;
}

void Feed::open(const Tick& tick) {
  PGTIDE_ASSERT(begun_ && tick.n == progress_.last.n + 1);
  piece_.clear();
  piece_bytes_ = 0;
  open_ = tick;
  rows_.open_tick();
  taken_ = 0;
  if (progress_.partial_id > 0 && progress_.partial_nonce != tick.nonce) progress_.partial_id = 0;
  board_.update([&](SourceStatus& status) { status.oldest_unread_us = tick.at_us; });
}

std::optional<std::uint64_t> Feed::take(const pqxx::result& rows, int first) {
  std::uint64_t taken = progress_.partial_id;
  for (const auto& row : rows) {
    if (!is_change(row, first)) continue;
    if (row[first + ChangeColumn::withheld].c_str()[0] == 't') return taken;
    taken = bits_of(row[first + ChangeColumn::id]);
    if (taken == std::exchange(taken_, taken)) throw LogDisorder(sequence_set_back);
    if (std::optional<Event> event = rows_.read(row, first)) add(std::move(*event));
  }
  return std::nullopt;
}

void Feed::skip(Event change, std::string_view why) {
  if (std::optional<Event> told = rows_.skip(std::move(change), why)) add(std::move(*told));
}

void Feed::add(Event event) {
  const std::size_t bytes = bytes_of(event);
  if (!piece_.empty() && piece_bytes_ + bytes > Batch::piece_bytes_max) flush(false);
  piece_bytes_ += bytes;
  piece_.push_back(std::move(event));
}

void Feed::flush(bool ends_tick) {
  auto batch = std::make_shared<Batch>();
  batch->epoch = progress_.epoch;
  batch->tick = open_.n;
  batch->nonce = open_.nonce;
  batch->ends_tick = ends_tick;
  batch->captured_us = open_.at_us;
  batch->events = std::exchange(piece_, {});
  piece_bytes_ = 0;
  const std::uint64_t changes = batch->events.size();
  if (!ends_tick) {
    progress_.partial_nonce = open_.nonce;
    progress_.partial_id = batch->events.back().id;
  }
  follow(*batch);
  sink_.deliver(std::move(batch));
  board_.update([&](SourceStatus& status) {
    status.changes += changes;
    status.batches += ends_tick ? 1 : 0;
    status.changes_skipped = rows_.skipped();
  });
}

void Feed::close() {
  flush(true);
  progress_.last = open_;
  progress_.partial_id = 0;
  board_.update([&](SourceStatus& status) {
    status.tick = open_.n;
    status.tick_at_us = open_.at_us;
    status.oldest_unread_us = 0;
    status.lacks_ticks = false;
  });
  board_.heard();
}

}  // namespace pgtide
