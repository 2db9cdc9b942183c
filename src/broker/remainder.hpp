#pragma once
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "broker/event_rows.hpp"
#include "broker/memory_account.hpp"
#include "model/text_set.hpp"
#include "rules/predicate.hpp"

namespace pgtide {

// What of an event somebody sees: its row before the change, and after it.
struct Visible {
  bool before = false;
  bool after = false;
};

class Remainders;

// A predicate that subscriptions share, and what it said of the present event: however many of
// them have it, a row is asked about once.
class Remainder
    : public boost::intrusive_ref_counter<Remainder, boost::thread_unsafe_counter> {
 public:
  Remainder(std::shared_ptr<const Predicate> predicate, Remainders& listed_in);
  ~Remainder();
  Remainder(const Remainder&) = delete;
  Remainder& operator=(const Remainder&) = delete;

  const Predicate& predicate() const { return *predicate_; }
  const std::string& text() const { return predicate_->text(); }
  const std::shared_ptr<const Predicate>& shared_predicate() const { return predicate_; }
  // Both rows, as far as there are any.
  Visible decide(EventRows& rows);
  // The same for at most so many steps (Predicate::holds); nothing where they are not enough.
  std::optional<Visible> decide(EventRows& rows, std::uint64_t& steps_left);
  // Is it remembered what it says of the present event?
  bool is_decided(const EventRows& rows) const { return decided_ == rows.number(); }

 private:
  friend class Remainders;
  std::size_t bytes() const { return sizeof(Remainder) + predicate_->bytes(); }

  std::shared_ptr<const Predicate> predicate_;
  Remainders* listed_in_;  // null: they are no more
  std::uint64_t decided_ = 0;  // the number of the event that `visible_` speaks of
  Visible visible_{};
};

using RemainderPointer = boost::intrusive_ptr<Remainder>;

// Every remainder that is held, found by its text. It leaves the list with its last holder.
class Remainders {
 public:
  explicit Remainders(MemoryAccount* memory) : memory_(memory) {}
  ~Remainders();
  Remainders(const Remainders&) = delete;
  Remainders& operator=(const Remainders&) = delete;

  // Null for null.
  RemainderPointer share(std::shared_ptr<const Predicate> predicate);

 private:
  friend class Remainder;
  void add(Remainder& made);
  void forget(Remainder& gone);
  MemoryAccount* memory_;  // null: none is kept
  TextSetOf<Remainder, &Remainder::text> by_text_{};
};

}  // namespace pgtide
