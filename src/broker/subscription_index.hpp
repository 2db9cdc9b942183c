#pragma once
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "broker/class_group.hpp"
#include "broker/delivery_class.hpp"
#include "broker/scan_quota.hpp"
#include "model/text_map.hpp"

namespace pgtide {

// Every subscription, found by what an event carries: three look-ups by hash, for "*", for the
// collection and for the record, then by what the row holds where rules or filters ask for it
// (class_group.hpp); never a walk over those that do not match. A class exists as long as it has
// members. One more class, `everyone`, has every connection for a member: that is how
// broadcast_all finds them.
class SubscriptionIndex {
 public:
  explicit SubscriptionIndex(ScanLimits limits = {}, MemoryAccount* memory = nullptr);

  ScanBudget& budget() { return budget_; }

  // The one remainder that decides like this predicate; null for null.
  RemainderPointer share(std::shared_ptr<const Predicate> predicate) {
    return remainders_.share(std::move(predicate));
  }

  // Puts a free seat into the class of that pattern and those traits.
  void join(Seat& seat, ConnectionNumber connection, const Pattern& pattern, ClassTraits traits);
  void join_everyone(Seat& seat, ConnectionNumber connection);
  // Frees the seat; nothing happens when it is free.
  void leave(Seat& seat);
  // False where it would be a class of its own with a client's filter that no index narrows, or
  // that has a regular expression, and the connection may hold no more of them in its collection.
  // Somebody else's may have to end for it.
  struct Candidate {
    const Pattern& pattern;
    const ClassTraits& traits;
    ConnectionNumber connection = 0;
    const Seat* leaving = nullptr;  // that is given up for it; null: none
  };
  bool may_join(const Candidate& candidate);
  // Would it sit in the same class as now?
  static bool is_in(const Seat& seat, const ClassTraits& traits);

  // Appends the classes that the event concerns, whether they want its action or not.
  void find(EventRows& rows, std::vector<Match>& found);

 private:
  struct CollectionNode {
    std::unique_ptr<ClassGroup> whole{};
    TextMap<std::unique_ptr<ClassGroup>> records{};
    ScanQuota scanned_filters{};
    bool empty() const { return whole == nullptr && records.empty(); }
  };
  struct Key {
    const ClassGroup* group = nullptr;
    const Remainder* rest = nullptr;
    const Lens* lens = nullptr;
    unsigned events = 0;
    bool filtered = false;
    friend bool operator==(const Key&, const Key&) = default;
  };
  static Key key_of(const ClassGroup& group, const ClassTraits& traits);
  static Key key_of(const std::unique_ptr<DeliveryClass>& held) {
    return key_of(*held->group, held->traits);
  }
  static const Key& key_of(const Key& key) { return key; }
  struct Hash {
    using is_transparent = void;
    using is_avalanching = void;
    std::size_t operator()(const Key& key) const;
    std::size_t operator()(const std::unique_ptr<DeliveryClass>& held) const {
      return operator()(key_of(held));
    }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const auto& one, const auto& other) const {
      return key_of(one) == key_of(other);
    }
  };
  static bool is_scanned_filter(const ClassTraits& traits);
  static bool is_paid_for(const DeliveryClass& in);
  ScanQuota::Holder holder_of(ConnectionNumber number) const {
    return {number, budget_.origin_of(number)};
  }
  bool is_held(const Pattern& pattern, const ClassTraits& traits) const;
  void pass_on(DeliveryClass& left, ConnectionNumber leaving);
  bool reclaim(ScanQuota& quota, ScanQuota::Holder holder);
  bool take_place(ScanQuota& quota, const ScanQuota::Place& place);
  std::unique_ptr<ClassGroup>& group_of(const Pattern& pattern);
  void remove_class(DeliveryClass& gone);
  void remove_group(const Pattern& pattern);

  MemoryAccount* memory_;  // null: none is kept
  boost::unordered_flat_set<std::unique_ptr<DeliveryClass>, Hash, Equal> classes_{};
  std::unique_ptr<ClassGroup> everything_{};
  TextMap<CollectionNode> collections_{};
  Remainders remainders_;
  ScanBudget budget_;
  std::unique_ptr<DeliveryClass> everyone_;
};

}  // namespace pgtide
