#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "model/json_row.hpp"
#include "pgtide/event.hpp"
#include "rules/record_view.hpp"

namespace pgtide {

// The rows of one event, parsed when something first asks, and once only.
class EventRows {
 public:
  // `event` and `shape` (null for custom events) must outlive the next call.
  void look_at(const Event& event, const RecordShape* shape) {
    event_ = &event;
    shape_ = shape;
    new_row_.reset();
    old_row_.reset();
    ++number_;
  }

  const Event& event() const { return *event_; }
  // Counts the events that were looked at: what a decision is remembered by.
  std::uint64_t number() const { return number_; }

  // Null where there is none, or it is no JSON object, or a custom event's data names a member
  // twice: a rule would look at one of them, and a client at the other.
  const Row* new_row() { return parsed(new_row_, event_->new_row); }
  const Row* old_row() { return parsed(old_row_, event_->old_row); }
  const RecordShape* shape() const { return shape_; }

 private:
  using Parsed = std::optional<std::optional<Row>>;

  const Row* parsed(Parsed& row, std::string_view text) const {
    if (!row) row.emplace(parse(text));
    return *row ? &**row : nullptr;
  }

  std::optional<Row> parse(std::string_view text) const {
    if (text.empty()) return std::nullopt;
    auto made = event_->reduced ? Row::parse_reduced(text) : Row::parse(text);
    if (!made) return std::nullopt;
    if (event_->action == Action::custom && made->repeats_a_name()) return std::nullopt;
    return std::move(*made);
  }

  const Event* event_ = nullptr;
  const RecordShape* shape_ = nullptr;
  std::uint64_t number_ = 0;
  Parsed new_row_{};
  Parsed old_row_{};
};

}  // namespace pgtide
