#include "broker/remainder.hpp"

#include <utility>

namespace pgtide {

Remainder::Remainder(std::shared_ptr<const Predicate> predicate, Remainders& listed_in)
    : predicate_(std::move(predicate)), listed_in_(&listed_in) {}

Visible Remainder::decide(EventRows& rows) {
  std::uint64_t all = Scratch::unlimited;
  return *decide(rows, all);
}

std::optional<Visible> Remainder::decide(EventRows& rows, std::uint64_t& steps_left) {
  if (decided_ == rows.number()) return visible_;
  Visible visible{};
  const auto holds = [&](const Row* row) {
    return row != nullptr && predicate_->holds({row, rows.shape()}, steps_left);
  };
  switch (predicate_->outcome()) {
    case Predicate::Outcome::never: break;
    case Predicate::Outcome::always: visible = {true, true}; break;
    case Predicate::Outcome::by_record:
      visible.before = holds(rows.old_row());
      visible.after = holds(rows.new_row());
      if (steps_left == 0) return std::nullopt;
  }
  decided_ = rows.number();
  visible_ = visible;
  return visible_;
}

Remainder::~Remainder() {
  if (listed_in_ != nullptr) listed_in_->forget(*this);
}

Remainders::~Remainders() {
  for (Remainder* held : by_text_) {
    if (memory_ != nullptr) memory_->take(MemoryKind::subscriptions, held->bytes());
    held->listed_in_ = nullptr;
  }
}

// What each takes is not kept: it is the same when it goes.
void Remainders::add(Remainder& made) {
  by_text_.insert(&made);
  if (memory_ != nullptr) memory_->add(MemoryKind::subscriptions, made.bytes());
}

void Remainders::forget(Remainder& gone) {
  by_text_.erase(&gone);
  if (memory_ != nullptr) memory_->take(MemoryKind::subscriptions, gone.bytes());
}

RemainderPointer Remainders::share(std::shared_ptr<const Predicate> predicate) {
  if (predicate == nullptr) return nullptr;
  const auto held = by_text_.find(std::string_view(predicate->text()));
  if (held != by_text_.end()) return *held;
  RemainderPointer made(new Remainder(Predicate::compacted(std::move(predicate)), *this));
  add(*made);
  return made;
}

}  // namespace pgtide
