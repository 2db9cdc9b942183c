#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/broker.hpp"
#include "model/client_message.hpp"
#include "model/pattern.hpp"
#include "pgtide/event.hpp"
#include "rules/text_map.hpp"

namespace pgtide {

struct DeliveryClass;

// A subscription's place in its class. Its address must not change while it is taken.
struct Seat {
  DeliveryClass* in = nullptr;
  std::size_t at = 0;
};

// All subscriptions that get the same frames out of a batch: same pattern, same options. (What is
// seen of a collection is the same for everyone in this version.)
struct DeliveryClass {
  struct Member {
    ConnectionNumber connection = 0;
    Seat* seat = nullptr;
  };
  Pattern pattern{};
  std::string text{};    // the pattern's
  std::string quoted{};  // as JSON
  ActionSet events{};
  std::vector<Member> members{};       // in no order
  std::vector<std::uint32_t> picks{};  // what the present batch brings: the fan-out's

  bool wants(Action action) const {
    return action == Action::schema_changed || events.contains(static_cast<unsigned>(action));
  }
};

// Every subscription, found by what an event carries: three look-ups by hash, for "*", for the
// collection and for the record, and never a walk over those that do not match. A class exists as
// long as it has members. One more class, `everyone`, has every connection for a member: that is
// how broadcast_all finds them.
class SubscriptionIndex {
 public:
  SubscriptionIndex();

  // Puts a free seat into the class of that pattern and those options.
  void join(Seat& seat, ConnectionNumber connection, const Pattern& pattern, ActionSet events);
  void join_everyone(Seat& seat, ConnectionNumber connection);
  // Frees the seat; nothing happens when it is free.
  void leave(Seat& seat);

  // Appends the classes whose pattern matches `event` and that want its action.
  void find(const Event& event, std::vector<DeliveryClass*>& found);

 private:
  using Group = std::vector<std::unique_ptr<DeliveryClass>>;  // one pattern, by options: 31 at most
  struct CollectionNode {
    Group whole{};
    TextMap<Group> records{};
  };
  Group& group_of(const Pattern& pattern);
  void remove_class(DeliveryClass& empty);

  Group everything_{};
  TextMap<CollectionNode> collections_{};
  std::unique_ptr<DeliveryClass> everyone_;
};

}  // namespace pgtide
