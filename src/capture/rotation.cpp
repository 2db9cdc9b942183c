#include "capture/rotation.hpp"

#include <algorithm>
#include <string>

#include "capture/change_query.hpp"
#include "capture/change_row.hpp"
#include "capture/log_bound.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

using namespace std::chrono_literals;

// A look costs under a millisecond; thirty seconds keep an idle bridge idle.
constexpr std::chrono::milliseconds pace_max = 30s;
constexpr std::chrono::milliseconds pace_min = 10ms;
// While the log grows fast, so that its size is not found out 30 s late.
constexpr auto pace_filling = 1s;
// Three tables may be full at the moment of a switch, and one is emptied in the next second. Where
// a table was switched no longer ago the next one had been emptied: the log is as large as what is
// written in that time, and nobody keeps it so.
constexpr auto patience = 5s;

// Index 0 to 2: a row per table, in order.
constexpr const char* survey_sql =
    "select pg_sequence_last_value('pgtide.current') = r.log, "
    "r.seal is null and (r.switched_at is not null or pgtide.has_rows(r.log)), "
    "r.seal is not null, "
    "pg_total_relation_size(format('pgtide.log%s', r.log)::regclass), "
    "(extract(epoch from clock_timestamp() - m.rotated_at) * 1000)::bigint, "
    "pgtide.has_rows(pg_sequence_last_value('pgtide.current')::int), "
    "pg_total_relation_size(format('pgtide.tick%s', r.log)::regclass), "
    "coalesce(pg_sequence_last_value('pgtide.switched'), 9223372036854775807) = "
    "9223372036854775807 "
    "from pgtide.rotation r, pgtide.meta m order by r.log";

}  // namespace

Rotation::Rotation(DatabaseSession& session, Limits limits)
    : session_(session), limits_(limits),
      pace_(std::clamp(limits.retention / 50, pace_min, pace_max)), due_(Clock::now()),
      within_at_(due_) {}

Rotation::Survey Rotation::survey() {
  Survey found;
  unsigned at = 0;
  for (const auto& row : session_.run(survey_sql)) {
    Log& log = found.logs[at++ % 3];
    log.current = text_of(row[0]) == "t";
    log.left = !log.current && text_of(row[1]) == "t";
    log.sealed = !log.current && text_of(row[2]) == "t";
    log.bytes = bits_of(row[3]);
    found.age = std::chrono::milliseconds(integer_of(row[4]));
    found.current_used = text_of(row[5]) == "t";
    found.tick_bytes += bits_of(row[6]);
    found.unsealed = text_of(row[7]) == "t";
  }
  return found;
}

bool Rotation::is_full(const Survey& found) const {
  return std::any_of(std::begin(found.logs), std::end(found.logs), [this](const Log& log) {
    return log.current && log.bytes >= limits_.log_bytes / 3;
  });
}

std::uint64_t Rotation::step(std::uint64_t newest) {
  Survey found = survey();
  const bool full = is_full(found);
  // A clock that was set back by more than that would keep it from growing old for as long.
  const bool old = std::chrono::abs(found.age) >= limits_.retention / 3;
  // What a leader left behind that died between switching and sealing.
  if (found.logs[0].left || found.logs[1].left || found.logs[2].left || found.unsealed)
    session_.run("select pgtide.seal_log()");
  for (unsigned log = 0; log < 3; ++log) {
    const bool is_next = found.logs[(log + 2) % 3].current;
    if (found.logs[log].sealed) empty_sealed(log, full && is_next);
  }
  if (found.current_used && (full || old)) {
    const auto switched = session_.run("select pgtide.switch_log()");
    if (!switched[0][0].is_null()) session_.run("select pgtide.seal_log()");
  }
  if (newest % ticks_per_table >= ticks_per_table / 2) empty_ticks(newest);
  const bool filling = found.bytes() > limits_.log_bytes / 10;
  due_ = Clock::now() + (filling ? std::min<Clock::duration>(pace_, pace_filling) : pace_);
  weigh(found);
  return found.bytes() + found.tick_bytes;
}

void Rotation::weigh(const Survey& found) {
  const std::uint64_t bytes = found.bytes();
  if (!is_past_bound(bytes, limits_.log_bytes)) within_at_ = Clock::now();
  fault_.clear();
  if (Clock::now() - within_at_ < patience || std::chrono::abs(found.age) < patience) return;
  const auto held = session_.run("select pgtide.log_held()")[0][0];
  fault_ = past_bound_text(bytes, limits_.log_bytes) + "; " +
           (held.is_null() ? past_bound_mend : one_line(text_of(held)));
}

// The horizon is committed before anything is thrown away.
void Rotation::empty_sealed(unsigned log, bool forced) {
  const std::string number = std::to_string(log);
  const std::string last_given_up =
      forced ? std::string("select max(n) from ") + ticks_sql + " given"
             : "select pgtide.tick_before(clock_timestamp() - interval '1 millisecond' * " +
                   std::to_string(limits_.retention.count()) + ")";
  const auto covering = session_.run(
      std::string("select n from ") + ticks_sql + " kept where n = (" + last_given_up +
      ") and pg_snapshot_xmin(snapshot) > (select seal from pgtide.rotation where log = " + number +
      ")");
  if (covering.empty()) return;
  session_.run("select pgtide.set_horizon(" + std::string(text_of(covering[0][0])) + ")");
  session_.run("select pgtide.empty_log(" + number + ")");
}

// A cursor at the table's last tick needs that tick to go on from, so it ends as well.
void Rotation::empty_ticks(std::uint64_t newest) {
  const std::string number = std::to_string((newest / ticks_per_table + 1) % 3);
  const auto highest = session_.run("select max(n) from pgtide.tick" + number);
  if (highest[0][0].is_null()) return;
  session_.run("select pgtide.set_horizon(" + std::string(text_of(highest[0][0])) + " + 1)");
  session_.run("select pgtide.empty_ticks(" + number + ")");
}

}  // namespace pgtide
