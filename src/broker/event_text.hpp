#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/batch.hpp"
#include "rules/policy.hpp"

namespace pgtide {

// An event and how it is seen. All of it must outlive the EventTexts' present batch.
struct SeenEvent {
  const Event* event = nullptr;
  const Projection* projection = nullptr;
  const Collection* collection = nullptr;  // for its key; null: not known
  Cursor cursor{};
};

// The texts of one batch's events, each written once however many frames show it (PROTOCOL 2, 3).
// Frames of one event differ in `patterns` only, and in being truncated where that makes them
// longer than `event_bytes`.
class EventTexts {
 public:
  explicit EventTexts(std::size_t event_bytes) : event_bytes_(event_bytes) {}

  // Forgets all texts; what add() returns counts from 0 again.
  void clear();

  // The event's number; empty where receivers must not notice it: an update of nothing visible, or
  // data that cannot be projected. A `schema_changed` gets a number and no text: what is said of it
  // is the caller's.
  std::optional<std::uint32_t> add(const SeenEvent& seen);

  // Appends a whole text frame. `patterns` is the inside of a JSON array; unused for custom events.
  void append_frame(std::string& out, std::uint32_t number, std::string_view patterns);

  // About as long as the event's frame is, without `patterns`.
  std::size_t frame_bytes(std::uint32_t number) const;

  const Event& event(std::uint32_t number) const { return *texts_[number].seen.event; }

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
    Parts whole{};
    std::optional<Parts> key_and_changed{};
    std::optional<Parts> key{};
  };
  struct Rows;

  bool write(Parts& parts, const SeenEvent& seen, Form form);
  Parts write_short(const SeenEvent& seen, Form form);
  bool write_custom(Parts& parts, const SeenEvent& seen, Form form);
  bool write_change(Parts& parts, const SeenEvent& seen, Form form);
  void write_record(Parts& parts, const SeenEvent& seen, Form form, const Rows& rows);
  void write_extras(const SeenEvent& seen, Form form, const Rows& rows);
  void begin_middle(Parts& parts);
  void write_tail(Parts& parts, const SeenEvent& seen);
  const Parts& fitting(Text& text, std::string_view patterns);
  bool fits(const Parts& parts, std::string_view patterns) const;

  std::size_t event_bytes_;
  std::string arena_{};    // one string for all texts of a batch: no allocation per event
  std::string changed_{};  // of the event that is being written
  std::vector<Text> texts_{};
  std::uint64_t truncated_ = 0;
};

}  // namespace pgtide
