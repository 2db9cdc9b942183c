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

// Turns a batch into runs of frames and says who gets which (the design comment tops fan_out.cpp).
// Remembers nothing from batch to batch but its memory.
class FanOut {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  FanOut(std::size_t event_bytes, Clock clock) : texts_(event_bytes), clock_(std::move(clock)) {}

  // Each connection at most once; the result holds until the next call.
  std::span<const Delivery> deliver(const Batch& batch, const Policy& policy,
                                    SubscriptionIndex& index);

  // Names of the batch's custom events that the rules do not list, one per event. They hold as long
  // as the batch does.
  std::span<const std::string_view> unlisted() const { return unlisted_; }
  std::uint64_t events_truncated() const { return texts_.truncated(); }
  const DeliveryTimes& times() const { return times_; }

 private:
  static constexpr std::uint32_t none = 0xffffffff;
  // A collection as this batch's events see it.
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
  // A class that gets something, and the chain of what it gets.
  struct Touched {
    const DeliveryClass* in = nullptr;
    std::uint32_t first = none;
    std::uint32_t last = none;
    SharedRun run{};  // made when first needed
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
  void deliver_to_class(const DeliveryClass& only);
  void deliver_to_classes();
  void reach(ConnectionNumber connection, std::uint32_t touched);
  const SharedRun& class_run(std::uint32_t touched);
  const SharedRun& merged_run(const Reached& reached);
  SharedRun make_run(std::span<const Showing> showings);
  std::size_t bytes_of(std::span<const Showing> showings) const;
  std::size_t append_frames(std::string& out, std::span<const Showing> same_event);
  bool append_change(std::string& out, std::span<const Showing> same_event);
  void list_patterns(std::span<const Showing> same_event, Action action);

  EventTexts texts_;
  Clock clock_;  // empty: nothing is timed
  DeliveryTimes times_{};
  EventRows rows_{};
  const Batch* now_ = nullptr;      // the batch that is being delivered ...
  const Policy* policy_ = nullptr;  // ... under this policy
  std::deque<Event> notices_{};     // that stand for rows which must not be decided
  std::vector<const Event*> events_{};  // the batch's, or a notice instead
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
  std::vector<std::uint32_t> set_{};       // scratch of merged_run()
  std::vector<Showing> showings_{};        // scratch of the runs
  std::string patterns_{};                 // scratch of list_patterns()
  std::unordered_map<std::vector<std::uint32_t>, SharedRun, SetHash> merged_{};
  std::vector<Delivery> deliveries_{};
  std::uint64_t batch_ = 0;
};

}  // namespace pgtide
