#pragma once
#include <boost/container/small_vector.hpp>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "broker/broker.hpp"
#include "broker/lens.hpp"
#include "broker/remainder.hpp"
#include "model/client_message.hpp"
#include "model/pattern.hpp"
#include "pgtide/event.hpp"

namespace pgtide {

struct ClassGroup;
struct DeliveryClass;

// A subscription's place in its class. Its address must not change while it is taken.
struct Seat {
  DeliveryClass* in = nullptr;
  std::uint32_t at = 0;
  bool ended = false;  // its filter took more than it may, and is about to end (ScanBudget)
};

// What makes subscriptions of one pattern get the same frames out of a batch.
struct ClassTraits {
  ActionSet events{};
  bool filtered = false;                 // a client's filter is in `rest`
  bool matching = false;                 // and it has a regular expression
  bool unindexed = false;                // it may name any column: none of them is looked up for it
  RemainderPointer rest{};               // which rows; null: all of them
  std::shared_ptr<const Lens> lens{};    // which columns; null: those that everybody sees
};

// An event that a class notices, as its rows stand to it. `event` and `text` count from 0 in each
// batch.
struct Pick {
  std::uint32_t event = 0;
  std::uint32_t text = 0;
  Visible visible{};
  const Projection* projection = nullptr;  // one connection's classes agree on it
};

// All subscriptions that get the same frames out of a batch: same pattern, same traits. Where each
// user has a rule of his own there are as many as subscriptions, and an event that finds one finds
// it in memory that nobody has touched for long: what it then needs lies in the object itself.
struct DeliveryClass {
  struct Member {
    ConnectionNumber connection = 0;
    Seat* seat = nullptr;
  };
  ClassGroup* group = nullptr;  // null: broadcast_all's
  ClassTraits traits{};
  bool unpaid = false;  // nobody can pay for its filter: it sees nothing more
  bool terms_suffice = false;  // a row that the index finds is seen: nothing is to be asked
  std::uint32_t hit = 0;  // where it stands among the hits of ...
  std::uint64_t found_in = 0;  // ... the event of this number, which found it last
  std::uint64_t touched_in = 0;  // the batch of this number touched it last, and there ...
  std::uint32_t touched = 0;     // ... it stands at this place
  std::uint32_t place = 0;       // in its group's list of open or narrowed ones
  boost::container::small_vector<Member, 1> members{};  // in no order
  std::uint32_t scan_place = 0;  // among those that no index serves
  // The member that it counts for, where scanned filters are counted; nobody: it is about to end.
  static constexpr ConnectionNumber nobody = std::numeric_limits<ConnectionNumber>::max();
  ConnectionNumber holder = nobody;

  const Pattern& pattern() const;
  const std::string& text() const;    // the pattern's
  const std::string& quoted() const;  // as JSON

  bool wants(Action action) const {
    return action == Action::schema_changed ||
           traits.events.contains(static_cast<unsigned>(action));
  }
};

}  // namespace pgtide
