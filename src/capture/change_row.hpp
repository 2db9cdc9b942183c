#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <pqxx/pqxx>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/catalog.hpp"
#include "model/line_limit.hpp"
#include "pgtide/event.hpp"

namespace pgtide {

// What is said where an id was given out twice, or a greater one before.
inline constexpr const char* sequence_set_back =
    "sequence pgtide.change_id was set back, as a restore does that holds the rows of schema "
    "pgtide; the log begins anew, and clients read anew";

// Reading of result fields. 64-bit values that PostgreSQL keeps as signed bigint are bits to us.
std::string_view text_of(const pqxx::field& field);
std::int64_t integer_of(const pqxx::field& field);
std::uint64_t bits_of(const pqxx::field& field);

// Turns rows of the log into events. A row that cannot be sent (PostgreSQL could not print it, or
// it is no JSON object in UTF-8) becomes none: it is counted, and logged by its key, at most some
// lines a minute. In its place comes a schema_changed, once in a tick for each collection, which
// has subscribers read anew. One thread.
class ChangeRows {
 public:
  // The collections of `catalog`, and those of earlier ones that are watched no longer: the log
  // still speaks of them.
  void learn(const Catalog& catalog);
  bool knows(std::int32_t collection) const;

  // Has this row other columns than the catalog says, or in another order, and was never said to be
  // `accepted` since learn()? Then the table was altered after the catalog was read. (A partition's
  // rows may have an order of their own.) `row` as below; none where it holds no whole row.
  enum class Shape { known, altered, none };
  Shape shape_of(const pqxx::row& row, int first);
  // The catalog has been read anew, and is what it was: what was altered is so for good.
  void accept_altered();

  // `row` holds ChangeColumn's columns from `first` on.
  std::optional<Event> read(const pqxx::row& row, int first);
  std::uint64_t skipped() const { return skipped_; }
  // A tick is opened: what is skipped from here on is told again.
  void open_tick() { told_.clear(); }
  // A change that cannot be sent; of it id, collection_id, record_id and timestamp are read. What
  // its subscribers are told; none where its collection is not known, or they have been told.
  std::optional<Event> skip(Event change, std::string_view why);
  // What was skipped since it was forgotten the last time, by collection; 0: those not known.
  struct Skipped {
    std::int64_t changes = 0;
    std::string newest{};  // which record, and why
  };
  using SkippedChanges = std::map<std::int32_t, Skipped>;
  const SkippedChanges& skipped_changes() const { return skipped_changes_; }
  void forget_skipped() { skipped_changes_.clear(); }

 private:
  struct Known {
    std::string name;
    bool old_rows = true;
    std::vector<std::string> columns{};
  };
  std::string_view fault_of(const Event& event, bool has_key) const;

  std::unordered_map<std::int32_t, Known> known_;
  using Columns = std::pair<std::int32_t, std::string>;  // a collection, and a row's columns
  std::set<Columns> altered_;
  std::set<Columns> accepted_;
  std::set<std::int32_t> told_;  // collections, in this tick
  std::uint64_t skipped_ = 0;
  SkippedChanges skipped_changes_;
  LineLimit lines_{10, std::chrono::seconds{60}};
};

}  // namespace pgtide
