#include "capture/change_row.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include "capture/change_query.hpp"
#include "model/json_row.hpp"
#include "model/utf8.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

// Nothing: an action that this version does not know.
std::optional<Action> to_action(char letter) {
  switch (letter) {
    case 'c': return Action::create;
    case 'u': return Action::update;
    case 'd': return Action::delete_;
    case 't': return Action::truncate;
    case 's': return Action::schema_changed;
    case 'x': return Action::custom;
    default: return std::nullopt;
  }
}

bool needs_new_row(Action action) {
  return action == Action::create || action == Action::update || action == Action::custom;
}

// A row as to_json prints it. A custom event's data may be any JSON.
bool is_row(std::string_view text, bool reduced) {
  if (reduced) return is_utf8(text) && Row::parse_reduced(text);
  return text.starts_with('{') && check_json(text);
}

bool is_true(const pqxx::field& field) { return field.c_str()[0] == 't'; }

}  // namespace

std::string_view text_of(const pqxx::field& field) { return {field.c_str(), field.size()}; }

std::int64_t integer_of(const pqxx::field& field) {
  std::int64_t value = 0;
  std::from_chars(field.c_str(), field.c_str() + field.size(), value);
  return value;
}

std::uint64_t bits_of(const pqxx::field& field) {
  return static_cast<std::uint64_t>(integer_of(field));
}

void ChangeRows::learn(const Catalog& catalog) {
  for (const Collection& collection : catalog.collections())
    known_[collection.id] = {collection.name, collection.old_rows, collection.columns};
  altered_.clear();
  accepted_.clear();
}

bool ChangeRows::knows(std::int32_t collection) const {
  return collection == 0 || known_.contains(collection);
}

ChangeRows::Shape ChangeRows::shape_of(const pqxx::row& row, int first) {
  const auto id = static_cast<std::int32_t>(integer_of(row[first + ChangeColumn::collection]));
  const auto known = known_.find(id);
  if (known == known_.end()) return Shape::none;
  std::string_view text = text_of(row[first + ChangeColumn::new_row]);
  if (text.empty() && known->second.old_rows) text = text_of(row[first + ChangeColumn::old_row]);
  const bool reduced = is_true(row[first + ChangeColumn::reduced]);
  const auto parsed = reduced ? Row::parse_reduced(text) : Row::parse(text);
  if (!parsed || parsed->members().empty()) return Shape::none;
  const auto same = [](const RowMember& member, const std::string& column) {
    return member.column == column;
  };
  const auto& members = parsed->members();
  const auto& columns = known->second.columns;
  if (std::equal(members.begin(), members.end(), columns.begin(), columns.end(), same))
    return Shape::known;
  std::string names;
  for (const RowMember& member : members) names.append(member.key) += ',';
  if (accepted_.contains({id, names})) return Shape::known;
  altered_.emplace(id, std::move(names));
  return Shape::altered;
}

void ChangeRows::accept_altered() { accepted_.merge(std::exchange(altered_, {})); }

std::optional<Event> ChangeRows::read(const pqxx::row& row, int first) {
  const auto field = [&](ChangeColumn::Index column) { return row[first + column]; };
  Event event;
  event.id = bits_of(field(ChangeColumn::id));
  event.collection_id = static_cast<std::int32_t>(integer_of(field(ChangeColumn::collection)));
  event.timestamp = text_of(field(ChangeColumn::at));
  event.old_row = text_of(field(ChangeColumn::old_row));
  event.new_row = text_of(field(ChangeColumn::new_row));
  event.reduced = is_true(field(ChangeColumn::reduced));
  const auto action = to_action(field(ChangeColumn::action).c_str()[0]);
  if (!action) {
    event.record_id = text_of(field(ChangeColumn::record));
    return skip(std::move(event), "its action is not one that this pgtide knows");
  }
  event.action = *action;
  if (event.action == Action::custom) {
    event.to_everyone = field(ChangeColumn::record).is_null();
    event.collection = text_of(field(ChangeColumn::record));
  } else {
    event.record_id = text_of(field(ChangeColumn::record));
    if (const auto known = known_.find(event.collection_id); known != known_.end())
      event.collection = known->second.name;
  }
  const std::string_view fault = fault_of(event, !field(ChangeColumn::record).is_null());
  if (fault.empty()) return event;
  return skip(std::move(event), fault);
}

// Why an event cannot be sent; empty: it can. A text key may be '', which is a key.
std::string_view ChangeRows::fault_of(const Event& event, bool has_key) const {
  if (event.action == Action::truncate || event.action == Action::schema_changed)
    return event.collection.empty() ? "its collection is watched no longer" : "";
  const bool custom = event.action == Action::custom;
  if (!custom && event.collection.empty()) return "its collection is watched no longer";
  if (!custom && !has_key) return "its key could not be read";
  if (needs_new_row(event.action) && event.new_row.empty()) return "it cannot be turned into JSON";
  if (custom && event.reduced) return "it is longer than an event may be";
  if (custom) return check_json(event.new_row) ? "" : "it is no JSON in UTF-8";
  const auto passes = [&](const std::string& row) {
    return row.empty() || is_row(row, event.reduced);
  };
  if (!passes(event.new_row)) return "it is no JSON object in UTF-8";
  const bool has_old_rows = known_.at(event.collection_id).old_rows && !event.reduced;
  const bool needs_old_row =
      event.action == Action::delete_ || (event.action == Action::update && has_old_rows);
  if (needs_old_row && event.old_row.empty()) return "it cannot be turned into JSON";
  if (!passes(event.old_row)) return "it is no JSON object in UTF-8";
  return "";
}

std::optional<Event> ChangeRows::skip(Event change, std::string_view why) {
  ++skipped_;
  const auto known = known_.find(change.collection_id);
  const std::string collection =
      known == known_.end() ? std::to_string(change.collection_id) : known->second.name;
  const std::string what = "record " + pgtide::quoted(change.record_id) + ": " + std::string(why);
  Skipped& kept = skipped_changes_[known == known_.end() ? 0 : change.collection_id];
  ++kept.changes;
  kept.newest = what;
  if (const auto left_out = lines_.admit(std::chrono::steady_clock::now()))
    spdlog::warn("a change of {} is skipped, {}{}", collection, what,
                 *left_out == 0 ? "" : " (" + std::to_string(*left_out) + " more before it)");
  if (known == known_.end() || !told_.insert(change.collection_id).second) return std::nullopt;
  Event told;
  told.id = change.id;
  told.collection_id = change.collection_id;
  told.collection = known->second.name;
  told.timestamp = std::move(change.timestamp);
  told.action = Action::schema_changed;
  return told;
}

}  // namespace pgtide
