#include "broker/remainder.hpp"

#include <utility>

#include "pgtide/result.hpp"

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

std::shared_ptr<Remainder> Remainders::share(std::shared_ptr<const Predicate> predicate) {
  if (predicate == nullptr) return nullptr;
  const auto found = by_text_.find(predicate->text());
  if (found != by_text_.end()) {
    auto held = found->second.lock();
    PGTIDE_ASSERT(held != nullptr);  // whoever let go of it has released it
    return held;
  }
  auto made = std::make_shared<Remainder>(Predicate::compacted(std::move(predicate)));
  by_text_.emplace(made->predicate().text(), made);
  return made;
}

void Remainders::release(std::shared_ptr<Remainder>& remainder) {
  if (remainder && remainder.use_count() == 1) by_text_.erase(remainder->predicate().text());
  remainder.reset();
}

}  // namespace pgtide
