#pragma once
#include <boost/unordered/unordered_flat_map.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/delivery_class.hpp"
#include "broker/memory_account.hpp"
#include "broker/scan_budget.hpp"
#include "model/text_map.hpp"

namespace pgtide {

// A class that an event concerns, and how its rows stand to it.
struct Match {
  DeliveryClass* in = nullptr;
  Visible visible{};
};

// The classes that have one key. Most often it is one, which lies beside the key.
class KeyHolders {
 public:
  void add(DeliveryClass& in) {
    if (first_ == nullptr) {
      first_ = &in;
      return;
    }
    if (more_ == nullptr) more_ = std::make_unique<std::vector<DeliveryClass*>>();
    more_->push_back(&in);
  }
  void remove(DeliveryClass& in) {
    if (first_ == &in) {
      first_ = more_ != nullptr ? more_->back() : nullptr;
      if (more_ != nullptr) more_->pop_back();
    } else if (more_ != nullptr) {
      std::erase(*more_, &in);
    }
    if (more_ != nullptr && more_->empty()) more_.reset();
  }
  bool empty() const { return first_ == nullptr; }
  void for_each(auto&& each) const {
    if (first_ != nullptr) each(*first_);
    if (more_ == nullptr) return;
    for (DeliveryClass* in : *more_) each(*in);
  }

 private:
  DeliveryClass* first_ = nullptr;
  std::unique_ptr<std::vector<DeliveryClass*>> more_{};  // null: there is one at most
};

// The classes of one pattern that see only some of the rows, found by what they look at in a row
// (the design comment tops class_group.cpp).
class NarrowedClasses {
 public:
  explicit NarrowedClasses(MemoryAccount* memory)
      : charge_(memory, MemoryKind::subscriptions, sizeof(NarrowedClasses)),
        scratch_charge_(memory, MemoryKind::subscriptions) {}

  void add(DeliveryClass& narrowed);
  void remove(DeliveryClass& narrowed);
  bool empty() const { return all_.empty(); }
  const std::vector<DeliveryClass*>& all() const { return all_; }

  void match(EventRows& rows, ScanBudget& budget, std::vector<Match>& found);

 private:
  struct Dimension {
    IndexDimension what{};
    boost::unordered_flat_map<std::string, KeyHolders, TextHash, std::equal_to<>> by_key{};
  };
  std::vector<Dimension>::iterator find(const IndexDimension& what);
  void index(DeliveryClass& narrowed);
  void take_from_index(DeliveryClass& narrowed);
  void match_few(EventRows& rows, ScanBudget& budget, std::vector<Match>& found);
  void match_by_key(EventRows& rows, ScanBudget& budget, std::vector<Match>& found);
  void keep_scratch();
  void look_up(const Dimension& dimension, EventRows& rows, bool Visible::*when);

  std::vector<DeliveryClass*> all_{};
  std::vector<DeliveryClass*> scanned_{};  // no index serves them
  std::vector<DeliveryClass*> few_{};      // an index would serve them: there is none of so few
  bool indexed_ = false;                   // they are in `dimensions_` instead
  std::vector<Dimension> dimensions_{};
  std::vector<Match> hits_{};           // scratch of match_by_key()
  std::vector<std::string> keys_{};     // scratch of look_up()
  MemoryCharge charge_;                 // of this and the index
  MemoryCharge scratch_charge_;         // what the last event has left in hits_ and keys_
};

// All classes of one pattern. Exists as long as there is one.
struct ClassGroup {
  Pattern pattern{};
  std::string text{};                          // the pattern's
  std::string quoted{};                        // as JSON
  std::vector<DeliveryClass*> open{};          // they see every row
  std::unique_ptr<NarrowedClasses> narrowed{};  // null: there are none
  MemoryAccount* memory;                        // null: none is kept

  explicit ClassGroup(const Pattern& pattern, MemoryAccount* memory = nullptr);
  bool empty() const { return open.empty() && narrowed == nullptr; }
  void add(DeliveryClass& made);
  void remove(DeliveryClass& gone);
  // Appends the classes that the event concerns, whether they want its action or not.
  void match(EventRows& rows, ScanBudget& budget, std::vector<Match>& found);
};

}  // namespace pgtide
