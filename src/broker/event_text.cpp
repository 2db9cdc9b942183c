#include "broker/event_text.hpp"

#include <algorithm>
#include <utility>

#include "model/frame.hpp"
#include "model/json_row.hpp"
#include "pgtide/result.hpp"
#include "rules/projected_row.hpp"

// A frame is put together from parts: head, row, middle, `patterns`, tail. Only `patterns` depends
// on who receives it, so everything else is written once per event, into an arena that lives as
// long as the batch is being fanned out; a row that is seen whole is not even copied there, but
// goes from the batch into each run. Rows are looked into (a scan, no tree) only where something
// asks: `changed`, a projection, a key.
//
// An event that is too long for a frame is written again in a shorter form, when the first frame
// needs it: with its key for `record`, then without `changed` too. Where it is too long for every
// frame, or a value of it was withheld, the longer form is not written at all. `patterns` is never
// shortened, since a client finds its subscriptions by it. (Rejected: to build the frame with a
// JSON library, which prints numbers anew, and per receiver.)
namespace pgtide {
namespace {

constexpr std::size_t arena_bytes_kept = 4U * Batch::piece_bytes_max;

std::size_t header_bytes(std::size_t payload_bytes) {  // RFC 6455, 5.2
  if (payload_bytes < 126) return 2;
  return payload_bytes <= 0xffff ? 4 : frame_header_bytes_max;
}

// Has the event the rows that its text needs? What is passed on untouched is not parsed.
bool has_rows(const SeenEvent& seen, bool whole, EventRows& rows) {
  const Event& event = *seen.event;
  const bool shows_new = seen.action == Action::create || seen.action == Action::update;
  if (shows_new && event.new_row.empty()) return false;
  const bool has_old = !event.old_row.empty();
  const bool compares = seen.action == Action::update && has_old;
  const bool parses_new =
      shows_new && (compares || !whole || event.reduced || !seen.projection->everything);
  const bool parses_old = compares || (seen.action == Action::delete_ && has_old);
  return (!parses_new || rows.new_row() != nullptr) && (!parses_old || rows.old_row() != nullptr);
}

// What stands for `id` where a table has no column of that name: else a client would take the
// record id for the column's value, unless it is.
StandInId stand_in_id(const Event& event, const Collection& collection) {
  const auto& columns = collection.columns;
  const bool has_id = std::find(columns.begin(), columns.end(), "id") != columns.end();
  const bool is_key = collection.key.size() == 1 && collection.key.front() == "id";
  return has_id && !is_key ? StandInId{} : StandInId{event.record_id};
}

// Bytes of the rows that the whole form prints; none where a value of them is withheld.
std::optional<std::size_t> printed_bytes(const SeenEvent& seen, EventRows& rows) {
  const Event& event = *seen.event;
  const Projection& projection = *seen.projection;
  const bool update = seen.action == Action::update;
  const bool deleted = seen.action == Action::delete_ && event.action == Action::delete_;
  const bool untouched = projection.everything && !event.reduced;
  std::size_t bytes = 0;
  const auto add = [&](const std::string& text, const Row* row) {
    if (row == nullptr) return true;  // then no form is written
    const auto visible = untouched ? text.size() : visible_bytes(*row, projection);
    bytes += visible.value_or(0);
    return visible.has_value();
  };
  if (seen.action == Action::create || update) {
    static const Row unread{};
    if (!add(event.new_row, untouched ? &unread : rows.new_row())) return std::nullopt;
  }
  const bool prints_old = (update && projection.old) || (deleted && projection.deleted_record_full);
  if (prints_old && !event.old_row.empty() && !add(event.old_row, rows.old_row())) {
    return std::nullopt;
  }
  return bytes;
}

}  // namespace

void EventTexts::clear() {
  texts_.clear();
  arena_.clear();
  sealed_.clear();  // under another key, perhaps
  if (arena_.capacity() > arena_bytes_kept) arena_.shrink_to_fit();
}

std::optional<std::uint32_t> EventTexts::add(const SeenEvent& seen, EventRows& rows) {
  Text text{.seen = seen};
  const bool has_text = seen.action != Action::schema_changed;
  if (has_text && !write_longest(text, rows)) return std::nullopt;
  texts_.push_back(text);
  return static_cast<std::uint32_t>(texts_.size() - 1);
}

// The longest form that a frame may have room for: what is too long is not kept beside it, nor is
// it put together where its rows alone are longer.
bool EventTexts::write_longest(Text& text, EventRows& rows) {
  const std::size_t start = arena_.size();
  if (may_be_whole(text.seen, rows)) {
    if (!write(*text.whole, text.seen, Form::whole, rows)) return false;
    if (text.seen.action == Action::truncate || fits(*text.whole, {})) return true;
    arena_.resize(start);
  }
  text.whole.reset();
  text.key_and_changed = Parts{};
  if (!write(*text.key_and_changed, text.seen, Form::key_and_changed, rows)) return false;
  ++truncated_;
  return true;
}

bool EventTexts::may_be_whole(const SeenEvent& seen, EventRows& rows) const {
  const Event& event = *seen.event;
  if (event.action == Action::custom) return true;
  if (!event.reduced && event.new_row.size() + event.old_row.size() <= event_bytes_) return true;
  const auto bytes = printed_bytes(seen, rows);
  return bytes && *bytes <= event_bytes_;
}

bool EventTexts::write(Parts& parts, const SeenEvent& seen, Form form, EventRows& rows) {
  const std::size_t start = arena_.size();
  parts.head = start;
  const bool written = seen.action == Action::custom ? write_custom(parts, seen, form, rows)
                                                     : write_change(parts, seen, form, rows);
  if (!written) arena_.resize(start);
  return written;
}

EventTexts::Parts EventTexts::write_short(const SeenEvent& seen, Form form) {
  Parts parts;
  rows_anew_.look_at(*seen.event, nullptr);
  const bool written = write(parts, seen, form, rows_anew_);
  PGTIDE_ASSERT(written);  // as its longest form was
  return parts;
}

bool EventTexts::write_custom(Parts& parts, const SeenEvent& seen, Form form, EventRows& rows) {
  const Event& event = *seen.event;
  if (event.new_row.empty()) return false;
  arena_ += "{\"type\":\"custom_event\",\"collection\":";
  if (event.to_everyone) {
    arena_ += "null";
  } else {
    append_quoted(arena_, event.collection);
  }
  arena_ += ",\"data\":";
  if (form != Form::whole) {
    arena_ += "null";
  } else if (seen.projection->everything) {
    parts.row = event.new_row;
  } else {
    const Row* row = rows.new_row();
    if (row == nullptr) return false;
    append_custom(arena_, *row, *seen.projection);
  }
  begin_middle(parts);
  if (form != Form::whole) arena_ += ",\"truncated\":true";
  arena_ += ",\"timestamp\":";
  append_quoted(arena_, event.timestamp);
  write_tail(parts, seen);
  return true;
}

bool EventTexts::write_change(Parts& parts, const SeenEvent& seen, Form form, EventRows& rows) {
  const Event& event = *seen.event;
  if (!has_rows(seen, form == Form::whole, rows)) return false;
  changed_.clear();
  if (seen.action == Action::update && !event.old_row.empty() &&
      append_changed(changed_, *rows.old_row(), *rows.new_row(), *seen.projection) == 0 &&
      !seen.unchanged) {
    return false;
  }
  arena_ += "{\"type\":\"record_event\",\"collection\":";
  append_quoted(arena_, event.collection);
  arena_ += ",\"action\":\"";
  arena_ += to_string(seen.action);
  arena_ += "\",\"record\":";
  write_record(parts, seen, form, rows);
  begin_middle(parts);
  write_extras(seen, form, rows);
  parts.has_patterns = true;
  write_tail(parts, seen);
  return true;
}

void EventTexts::write_record(Parts& parts, const SeenEvent& seen, Form form, EventRows& rows) {
  const Event& event = *seen.event;
  if (seen.action == Action::truncate) {
    arena_ += "null";
    return;
  }
  const bool deleted = seen.action == Action::delete_;
  // Of a row that has only left someone's sight no more than its key is told.
  const bool full = seen.projection->deleted_record_full && event.action == Action::delete_;
  static const Row no_row{};
  const Row* row = &no_row;
  if (deleted && !event.old_row.empty()) row = rows.old_row();
  if (!deleted && (form != Form::whole || !seen.projection->everything)) row = rows.new_row();
  static const Collection unknown{};
  const Collection& collection = seen.collection != nullptr ? *seen.collection : unknown;
  if (form != Form::whole || (deleted && !full)) {
    append_key(arena_, *row, collection.key, stand_in_id(event, collection));
  } else if (deleted) {
    append_projected(arena_, *row, *seen.projection, stand_in_id(event, collection));
  } else if (seen.projection->everything) {
    parts.row = event.new_row;
  } else {
    append_projected(arena_, *row, *seen.projection);
  }
}

// What stands between `record` and the elements of `patterns`.
void EventTexts::write_extras(const SeenEvent& seen, Form form, EventRows& rows) {
  const Event& event = *seen.event;
  if (!changed_.empty() && form != Form::key) {
    arena_ += ",\"changed\":";
    arena_ += changed_;
  }
  if (!changed_.empty() && seen.projection->old && form == Form::whole) {
    arena_ += ",\"old\":";
    append_projected(arena_, *rows.old_row(), *seen.projection);
  }
  if (form != Form::whole) arena_ += ",\"truncated\":true";
  arena_ += ",\"timestamp\":";
  append_quoted(arena_, event.timestamp);
  arena_ += ",\"record_id\":";
  if (seen.action == Action::truncate) {
    arena_ += "null";
  } else {
    append_quoted(arena_, event.record_id);
  }
  arena_ += ",\"patterns\":[";
}

void EventTexts::begin_middle(Parts& parts) {
  parts.head_bytes = arena_.size() - parts.head;
  parts.middle = arena_.size();
}

const std::string& EventTexts::sealed(const Cursor& cursor) {
  if (sealed_.empty() || sealed_cursor_ != cursor) {
    sealed_ = sealer_->seal(cursor);
    sealed_cursor_ = cursor;
  }
  return sealed_;
}

void EventTexts::write_tail(Parts& parts, const SeenEvent& seen) {
  parts.middle_bytes = arena_.size() - parts.middle;
  if (parts.has_patterns) arena_ += ']';
  arena_ += ",\"cursor\":\"";
  arena_ += sealed(seen.cursor);
  arena_ += "\"}";
  parts.tail_bytes = arena_.size() - parts.middle - parts.middle_bytes;
}

std::size_t EventTexts::Parts::payload_bytes(std::string_view patterns) const {
  const std::size_t fixed = head_bytes + row.size() + middle_bytes + tail_bytes;
  return has_patterns ? fixed + patterns.size() : fixed;
}

std::size_t EventTexts::frame_bytes(std::uint32_t number) const {
  const Text& text = texts_[number];
  const std::size_t payload_bytes =
      (text.whole ? *text.whole : *text.key_and_changed).payload_bytes({});
  return std::min(event_bytes_, payload_bytes + header_bytes(payload_bytes));
}

bool EventTexts::fits(const Parts& parts, std::string_view patterns) const {
  const std::size_t payload_bytes = parts.payload_bytes(patterns);
  return payload_bytes + header_bytes(payload_bytes) <= event_bytes_;
}

// The longest form that fits, else the shortest. A truncate has nothing to shorten.
const EventTexts::Parts& EventTexts::fitting(Text& text, std::string_view patterns) {
  const bool shortens = text.seen.action != Action::truncate;
  if (text.whole && (!shortens || fits(*text.whole, patterns))) return *text.whole;
  if (!text.key_and_changed) {
    ++truncated_;
    text.key_and_changed = write_short(text.seen, Form::key_and_changed);
  }
  if (fits(*text.key_and_changed, patterns)) return *text.key_and_changed;
  if (!text.key) text.key = write_short(text.seen, Form::key);
  return *text.key;
}

void EventTexts::append_frame(std::string& out, std::uint32_t number, std::string_view patterns) {
  const Parts& parts = fitting(texts_[number], patterns);
  const std::string_view arena = arena_;
  append_text_header(out, parts.payload_bytes(patterns));
  out += arena.substr(parts.head, parts.head_bytes);
  out += parts.row;
  out += arena.substr(parts.middle, parts.middle_bytes);
  if (parts.has_patterns) out += patterns;
  out += arena.substr(parts.middle + parts.middle_bytes, parts.tail_bytes);
}

}  // namespace pgtide
