#pragma once
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "broker/broker.hpp"
#include "broker/origins.hpp"

namespace pgtide {

// How much of the memory for subscriptions each address holds, in each of its connections, and who
// gives way where there is no more of it. Each address has its *fair share*, an equal part of what
// is held. One that has less still gets subscriptions, for which the latest one ends of the
// connection with most, of the address with most. Who holds no more than the share never loses
// any, and who holds it takes none: so nothing goes back and forth. Owned by its shard's thread,
// and about the connections of that shard.
//
// (Rejected: a reserve for addresses that hold little. Whoever fills the memory fills that as
// well, from a few more addresses.)
class MemoryShares {
 public:
  struct Holder {
    ConnectionNumber connection = 0;
    OriginNumber origin = 0;
  };

  void add(Holder holder, std::size_t bytes);
  // No more than was added.
  void take(Holder holder, std::size_t bytes);
  // Has the address less than its fair share, and another one more?
  bool is_short(OriginNumber origin) const;
  // The connection that gives way to the address; empty: no other one has more than is fair.
  std::optional<ConnectionNumber> find_excess(OriginNumber origin) const;

 private:
  // Of a connection, by its number: a map's node in each would be a tenth of its subscription.
  struct Held {
    std::size_t bytes = 0;
    OriginNumber origin = 0;
  };

  std::size_t share(OriginNumber origin) const;
  std::size_t held_by(OriginNumber origin) const;
  // The address that gives way to this one.
  std::optional<OriginNumber> find_excessive(OriginNumber origin) const;

  std::size_t all_ = 0;
  std::vector<Held> connections_{};
  std::map<OriginNumber, std::size_t> bytes_{};                // of those that hold some
  std::set<std::pair<std::size_t, OriginNumber>> by_size_{};  // the same
};

}  // namespace pgtide
