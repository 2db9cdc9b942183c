#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace pgtide {

// What happened. The wire's names are in to_string(); `schema_changed` is no event of a client's
// but becomes `resync_required` (PROTOCOL 1.3).
enum class Action : std::uint8_t { create, update, delete_, truncate, custom, schema_changed };

// "create", "update", "delete", "truncate", "custom", "schema_changed".
std::string_view to_string(Action action);

// One committed row change or custom event, as the log holds it; what clients see of it is decided
// later. Texts that are not there are empty. Every row is valid UTF-8 and one JSON object
// (custom events: any JSON value), but for what `reduced` says: the reader of the log has skipped
// what is not.
struct Event {
  std::uint64_t id = 0;              // its place in the log; the order of a batch
  Action action = Action::create;
  bool to_everyone = false;          // broadcast_all: `collection` is empty
  std::int32_t collection_id = 0;    // pgtide.collection.id; 0 for custom events
  std::string collection{};          // the public name
  std::string record_id{};           // PROTOCOL 1.2; empty for truncate and custom events
  std::string new_row{};             // create, update: the row; custom: the event's data
  std::string old_row{};             // update, delete: the row before; on a table watched without
                                     // old rows: nothing, and for delete the key columns only
  bool reduced = false;              // long rows: their longest values are withheld, or all columns
                                     // are (Row::parse_reduced); never of custom events
  std::string timestamp{};           // ISO 8601, UTC, microseconds: "2026-11-23T10:15:30.123456Z"
};

}  // namespace pgtide
