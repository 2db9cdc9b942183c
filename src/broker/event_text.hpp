#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/event_rows.hpp"
#include "model/batch.hpp"
#include "model/catalog.hpp"
#include "model/cursor_sealer.hpp"
#include "rules/projection.hpp"

namespace pgtide {

// An event and how it is seen: an update that brings a row into sight is a `create`, one that takes
// it out of sight a `delete` of its key. `event`, `projection` and `collection` must outlive the
// EventTexts' present batch, `rows` the call.
struct SeenEvent {
  const Event* event = nullptr;
  Action action = Action::create;
  const Projection* projection = nullptr;
  const Collection* collection = nullptr;  // for its key; null: not known
  Cursor cursor{};
  bool unchanged = false;  // write an update even where nothing that is seen of it has changed
};

// The texts of one batch's events, each written once however many frames show it (PROTOCOL 2, 3).
// Frames of one event, seen in one way, differ in `patterns` and `left` only, and in being
// truncated where those make them longer than `event_bytes`.
class EventTexts {
 public:
  // `sealer` outlives it.
  EventTexts(std::size_t event_bytes, CursorSealer& sealer)
      : event_bytes_(event_bytes), sealer_(&sealer) {}

  // Forgets all texts; what add() returns counts from 0 again.
  void clear();

  // The event's number; empty where receivers must not notice it: an update of nothing visible, or
  // data that cannot be projected. A `schema_changed` gets a number and no text: what is said of it
  // is the caller's.
  std::optional<std::uint32_t> add(const SeenEvent& seen, EventRows& rows);

  // Appends a whole text frame. `patterns` is the inside of a JSON array, with what follows it up
  // to the next member: `"*","posts.*"` or `"*"],"left":["posts.*"`; unused for custom events.
  void append_frame(std::string& out, std::uint32_t number, std::string_view patterns);

  // About as long as the event's frame is, without `patterns`.
  std::size_t frame_bytes(std::uint32_t number) const;

  const SeenEvent& seen(std::uint32_t number) const { return texts_[number].seen; }

  // Events past `event_bytes` since this was made.
  std::uint64_t truncated() const { return truncated_; }

 private:
  // How much of an event is said. A shorter form is written when the longer one does not fit.
  enum class Form { whole, key_and_changed, key };
  // Places in `arena_`, and the row, which may stay where it is.
  struct Parts {
    std::size_t head = 0;
    std::size_t head_bytes = 0;
    std::string_view row{};
    std::size_t middle = 0;
    std::size_t middle_bytes = 0;
    std::size_t tail_bytes = 0;  // after `middle`; `patterns` go between
    bool has_patterns = false;

    std::size_t payload_bytes(std::string_view patterns) const;
  };
  struct Text {
    SeenEvent seen{};
    std::optional<Parts> whole{Parts{}};  // none: a value of it is withheld, or it is too long
    std::optional<Parts> key_and_changed{};
    std::optional<Parts> key{};
  };

  bool write_longest(Text& text, EventRows& rows);
  bool may_be_whole(const SeenEvent& seen, EventRows& rows) const;
  bool write(Parts& parts, const SeenEvent& seen, Form form, EventRows& rows);
  Parts write_short(const SeenEvent& seen, Form form);
  bool write_custom(Parts& parts, const SeenEvent& seen, Form form, EventRows& rows);
  bool write_change(Parts& parts, const SeenEvent& seen, Form form, EventRows& rows);
  void write_record(Parts& parts, const SeenEvent& seen, Form form, EventRows& rows);
  void write_extras(const SeenEvent& seen, Form form, EventRows& rows);
  void begin_middle(Parts& parts);
  const std::string& sealed(const Cursor& cursor);
  void write_tail(Parts& parts, const SeenEvent& seen);
  const Parts& fitting(Text& text, std::string_view patterns);
  bool fits(const Parts& parts, std::string_view patterns) const;

  std::size_t event_bytes_;
  CursorSealer* sealer_;
  Cursor sealed_cursor_{};  // the last one, however many ways its event is seen in ...
  std::string sealed_{};    // ... and its text; empty: none yet in this batch
  std::string arena_{};    // one string for all texts of a batch: no allocation per event
  std::string changed_{};  // of the event that is being written
  EventRows rows_anew_{};  // of one that is written in a shorter form
  std::vector<Text> texts_{};
  std::uint64_t truncated_ = 0;
};

}  // namespace pgtide
