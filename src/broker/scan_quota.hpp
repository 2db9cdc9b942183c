#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "broker/broker.hpp"
#include "broker/origins.hpp"

namespace pgtide {

struct DeliveryClass;

// Who holds the filters of a collection that no index narrows, since there may be only so many of
// them. While many are free nobody takes more than he leaves to others: an address no more than are
// free beside it, a connection no more than are free to its address beside it. Where they run
// short each address has its *fair share*, an equal part for each that holds any (half, if it is
// alone). Who has less gets those that the address which has most of them holds beyond its own,
// the latest first; and so do the connections of one address among each other. Who is taken from
// keeps his share, and whoever has his takes none: so nothing goes back and forth, and what was
// granted within it is kept.
//
// (Rejected: only to leave enough free. Ten addresses one after the other then had nearly all of
// them. To take away what was held longest: a page that is open for long is the honest one.)
class ScanQuota {
 public:
  struct Holder {
    ConnectionNumber connection = 0;
    OriginNumber origin = 0;
  };
  struct Place {
    ConnectionNumber connection = 0;
    DeliveryClass* in = nullptr;
  };

  void add(Holder holder, DeliveryClass& in);
  void remove(Holder holder, const DeliveryClass& in);
  // May he hold one more, where so many are allowed?
  bool has_room(Holder holder, std::size_t max) const;
  // Is he within his part, if each address has one and one is left?
  bool has_share(Holder holder, std::size_t max) const {
    return count(holder.origin) < max / (by_origin_.size() + 1);
  }
  bool is_full(std::size_t max) const { return all_ >= max; }
  // Has his address less than its fair share?
  bool is_short(Holder holder, std::size_t max) const;
  // The places of whoever has most beyond what is fair to him, the latest last; empty: nobody has.
  std::vector<Place> excess(Holder holder, std::size_t max) const;

 private:
  std::size_t count(OriginNumber origin) const;
  std::size_t count_of(ConnectionNumber connection) const;
  std::size_t share(OriginNumber origin, std::size_t max) const;
  std::vector<Place> excess_of_siblings(Holder holder) const;

  std::size_t all_ = 0;
  std::map<ConnectionNumber, std::size_t> by_connection_{};
  std::map<OriginNumber, std::vector<Place>> by_origin_{};  // in the order in which they were taken
};

}  // namespace pgtide
