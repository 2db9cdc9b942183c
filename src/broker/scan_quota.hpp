#pragma once
#include <cstddef>
#include <cstdint>
#include <map>

#include "broker/broker.hpp"
#include "broker/origins.hpp"

namespace pgtide {

// Who holds the filters of a collection that no index narrows, since there may be only so many of
// them. Nobody holds more than he leaves to others: an address no more than are free beside it, a
// connection no more than are free to its address beside it. So one address has half of them at
// the most and one connection a third; n addresses have one part in n + 1 each and leave as many to
// whoever comes next. (Rejected: to take them away from whoever holds most when somebody
// comes. It has the same end, but filters that were granted end without their client's doing.)
class ScanQuota {
 public:
  struct Holder {
    ConnectionNumber connection = 0;
    OriginNumber origin = 0;
  };

  void add(Holder holder) {
    ++all_;
    ++by_connection_[holder.connection];
    ++by_origin_[holder.origin];
  }
  void remove(Holder holder) {
    --all_;
    take_one(by_connection_, holder.connection);
    take_one(by_origin_, holder.origin);
  }
  // May he hold one more, where so many are allowed?
  bool has_room(Holder holder, std::size_t max) const {
    const std::size_t free = max - (all_ < max ? all_ : max);
    const std::size_t of_origin = count(by_origin_, holder.origin);
    if (of_origin >= free) return false;
    return count(by_connection_, holder.connection) < free - of_origin;
  }

  // Is he within his part, if each address has one and one is left?
  bool has_share(Holder holder, std::size_t max) const {
    return count(by_origin_, holder.origin) < max / (by_origin_.size() + 1);
  }

 private:
  using Counts = std::map<std::uint32_t, std::size_t>;

  static std::size_t count(const Counts& counts, std::uint32_t number) {
    const auto found = counts.find(number);
    return found != counts.end() ? found->second : 0;
  }
  static void take_one(Counts& counts, std::uint32_t number) {
    const auto found = counts.find(number);
    if (--found->second == 0) counts.erase(found);
  }

  std::size_t all_ = 0;
  Counts by_connection_{};
  Counts by_origin_{};
};

}  // namespace pgtide
