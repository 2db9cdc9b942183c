#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/broker.hpp"
#include "broker/event_rows.hpp"
#include "broker/event_text.hpp"
#include "broker/subscription_index.hpp"
#include "model/batch.hpp"
#include "rules/policy.hpp"

namespace pgtide {

// What an event is to who sees its rows like this.
Action action_of(const Event& event, Visible visible);

// Turns a stretch of a batch into runs of frames and says who gets which (the design comment tops
// fan_out.cpp). Remembers nothing from one to the next but its memory.
class FanOut {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  // `sealer` outlives it.
  FanOut(const BrokerLimits& limits, CursorSealer& sealer, Clock clock, MemoryAccount* memory)
      : texts_(limits.event_bytes, sealer),
        clock_(std::move(clock)),
        memory_(memory),
        stretch_bytes_max_(limits.stretch_bytes) {}

  struct Audience {
    const Policy& policy;
    SubscriptionIndex& index;
    const Broker::Send& send;
  };
  // Broker::deliver(): each connection at most once; returns where the next stretch begins.
  std::size_t deliver(const Batch& batch, std::size_t from, const Audience& to);

  // Names of the stretch's custom events that the rules do not list, one per event. They hold as
  // long as the batch does.
  std::span<const std::string_view> unlisted() const { return unlisted_; }
  std::uint64_t events_truncated() const { return texts_.truncated(); }
  const DeliveryTimes& times() const { return times_; }

 private:
  static constexpr std::uint32_t none = 0xffffffff;
  // A collection as these events see it.
  struct Look {
    std::string_view name{};
    std::shared_ptr<const Projection> projection{};  // null: it is closed, nobody sees anything
    const Collection* collection = nullptr;
    const RecordShape* shape = nullptr;
    bool listed = false;
    bool goes_by_columns = false;
  };
  // One way in which an event is seen, and its text; a chain for each event.
  struct Variant {
    const Projection* projection = nullptr;
    Action action = Action::create;
    bool unchanged = false;     // as in SeenEvent
    std::uint32_t text = none;  // none: there is nothing to see, as in an update of hidden columns
    std::uint32_t next = none;
  };
  // What a connection gets: one class, and a chain of further ones. Valid in its own batch only.
  struct Reached {
    std::uint64_t batch = 0;
    std::uint32_t first = none;
    std::uint32_t further = none;
  };
  struct Link {
    std::uint32_t touched = none;
    std::uint32_t next = none;
  };
  // Who gets a merged run, and the one before that gets the same.
  struct Waiting {
    ConnectionNumber connection = 0;
    std::uint32_t next = none;
  };
  // A class that gets something, and the chain of what it gets.
  struct Touched {
    const DeliveryClass* in = nullptr;
    std::uint32_t first = none;
    std::uint32_t last = none;
  };
  struct ChainedPick {
    Pick pick{};
    std::uint32_t next = none;
  };
  // A frame of a merged run: this event, shown by this class.
  struct Showing {
    Pick pick{};
    const DeliveryClass* by = nullptr;
  };
  struct SetHash {
    std::size_t operator()(const std::vector<std::uint32_t>& set) const;
  };

  std::chrono::steady_clock::time_point now() const {
    return clock_ ? clock_() : std::chrono::steady_clock::time_point{};
  }
  void forget(const Batch& batch);
  void look_at(const Event& event);
  bool is_strange();
  void estrange(std::uint32_t event);
  void match(std::uint32_t event, SubscriptionIndex& index);
  // Of the batch's event of that number; of `seen`, event and cursor are filled in.
  std::uint32_t text_of(std::uint32_t event, SeenEvent seen);
  const Projection* projection_of(const DeliveryClass& seen_by) const;
  void note(DeliveryClass& in, const Pick& pick);
  void append_showings(const Touched& touched);
  void deliver_to_class(const DeliveryClass& only, const Broker::Send& send);
  void deliver_to_classes(const Broker::Send& send);
  void deliver_to_those(std::span<const ConnectionNumber> same_first, const Broker::Send& send);
  void reach(ConnectionNumber connection, std::uint32_t touched);
  void wait_for_set(ConnectionNumber connection);
  SharedRun class_run(std::uint32_t touched);
  SharedRun merged_run(const std::vector<std::uint32_t>& set);
  SharedRun make_run(std::span<const Showing> showings);
  std::size_t bytes_of(std::span<const Showing> showings) const;
  std::size_t append_frames(std::string& out, std::span<const Showing> same_event);
  bool append_change(std::string& out, std::span<const Showing> same_event);
  void list_patterns(std::span<const Showing> same_event, Action action);

  EventTexts texts_;
  Clock clock_;  // empty: nothing is timed
  MemoryAccount* memory_;  // null: none is kept
  std::size_t stretch_bytes_max_;
  DeliveryTimes times_{};
  EventRows rows_{};
  const Batch* now_ = nullptr;      // what is being delivered is of this batch ...
  const Policy* policy_ = nullptr;  // ... under this policy
  std::deque<Event> notices_{};     // that stand for rows which must not be decided
  std::vector<const Event*> events_{};  // the stretch's, or a notice instead
  std::vector<std::string_view> estranged_{};  // collections that have one
  Look look_{};
  bool looked_ = false;
  bool of_another_table_ = false;  // the event: its collection's name is another table's now
  std::vector<std::shared_ptr<const Projection>> projections_{};  // that texts speak of
  std::vector<std::string_view> unlisted_{};
  std::vector<Match> found_{};             // scratch of match()
  std::vector<std::uint32_t> first_variants_{};  // by event
  std::vector<Variant> variants_{};
  std::vector<Touched> touched_{};  // in order of their first pick
  std::vector<ChainedPick> picks_{};
  std::vector<Reached> reached_{};         // by connection number
  std::vector<ConnectionNumber> order_{};  // of connections, as they were reached
  std::vector<Link> links_{};
  std::vector<std::uint32_t> set_{};       // scratch of wait_for_set()
  std::vector<Waiting> waiting_{};         // for a merged run
  std::vector<Showing> showings_{};        // scratch of the runs
  std::string patterns_{};                 // scratch of list_patterns()
  // Sets of touched classes, and the last of `waiting_` who is in exactly those.
  std::unordered_map<std::vector<std::uint32_t>, std::uint32_t, SetHash> sets_{};
  std::uint64_t batch_ = 0;  // counts the stretches
  std::size_t stretch_bytes_ = 0;  // of frames that this one makes, before merging
};

}  // namespace pgtide
