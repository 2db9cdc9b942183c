#pragma once
#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "broker/event_rows.hpp"
#include "rules/predicate.hpp"

namespace pgtide {

// What of an event somebody sees: its row before the change, and after it.
struct Visible {
  bool before = false;
  bool after = false;
};

// A predicate that subscriptions share, and what it said of the present event: however many of
// them have it, a row is asked about once.
class Remainder {
 public:
  explicit Remainder(std::shared_ptr<const Predicate> predicate)
      : predicate_(std::move(predicate)) {}

  const Predicate& predicate() const { return *predicate_; }
  const std::shared_ptr<const Predicate>& shared_predicate() const { return predicate_; }
  // Both rows, as far as there are any.
  Visible decide(EventRows& rows);

 private:
  std::shared_ptr<const Predicate> predicate_;
  std::uint64_t decided_ = 0;  // the number of the event that `visible_` speaks of
  Visible visible_{};
};

// Every remainder that is held, found by its text.
class Remainders {
 public:
  // Null for null.
  std::shared_ptr<Remainder> share(std::shared_ptr<const Predicate> predicate);
  // Forgets it where the caller, who lets go of it now, is the last that holds it.
  void release(std::shared_ptr<Remainder>& remainder);

 private:
  // The keys are the predicates' own texts.
  std::unordered_map<std::string_view, std::weak_ptr<Remainder>> by_text_{};
};

}  // namespace pgtide
