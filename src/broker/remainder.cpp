#include "broker/remainder.hpp"

#include <utility>

namespace pgtide {

Visible Remainder::decide(EventRows& rows) {
  if (decided_ == rows.number()) return visible_;
  decided_ = rows.number();
  visible_ = {};
  switch (predicate_->outcome()) {
    case Predicate::Outcome::never: return visible_;
    case Predicate::Outcome::always: visible_ = {true, true}; return visible_;
    case Predicate::Outcome::by_record: break;
  }
  if (const Row* row = rows.old_row()) visible_.before = predicate_->holds({row, rows.shape()});
  if (const Row* row = rows.new_row()) visible_.after = predicate_->holds({row, rows.shape()});
  return visible_;
}

Remainder::~Remainder() {
  if (listed_in_ != nullptr) listed_in_->by_text_.erase(this);
}

Remainders::~Remainders() {
  for (Remainder* held : by_text_) held->listed_in_ = nullptr;
}

RemainderPointer Remainders::share(std::shared_ptr<const Predicate> predicate) {
  if (predicate == nullptr) return nullptr;
  const auto held = by_text_.find(std::string_view(predicate->text()));
  if (held != by_text_.end()) return *held;
  RemainderPointer made(new Remainder(Predicate::compacted(std::move(predicate)), *this));
  by_text_.insert(made.get());
  return made;
}

}  // namespace pgtide
