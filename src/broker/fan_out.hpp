#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker/broker.hpp"
#include "broker/event_text.hpp"
#include "broker/subscription_index.hpp"
#include "model/batch.hpp"
#include "rules/policy.hpp"

namespace pgtide {

// Turns a batch into runs of frames and says who gets which (the design comment tops fan_out.cpp).
// Remembers nothing from batch to batch but its memory.
class FanOut {
 public:
  explicit FanOut(std::size_t event_bytes) : texts_(event_bytes) {}

  // Each connection at most once; the result holds until the next call.
  std::span<const Delivery> deliver(const Batch& batch, const Policy& policy,
                                    SubscriptionIndex& index);

  // Names of the batch's custom events that the rules do not list, one per event. They hold as long
  // as the batch does.
  std::span<const std::string_view> unlisted() const { return unlisted_; }
  std::uint64_t events_truncated() const { return texts_.truncated(); }

 private:
  static constexpr std::uint32_t none = 0xffffffff;
  // A collection as this batch's events see it.
  struct Look {
    std::string_view name{};
    const Projection* projection = nullptr;  // null: it is closed, nobody sees anything
    const Collection* collection = nullptr;
    bool listed = false;
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
  // A frame of a merged run: this event, shown by this class.
  struct Pick {
    std::uint32_t text = 0;
    const DeliveryClass* shown_by = nullptr;
  };
  struct SetHash {
    std::size_t operator()(const std::vector<std::uint32_t>& set) const;
  };

  void forget();
  void look_at(const Event& event, const Batch& batch, const Policy& policy);
  void match(const Event& event, const Batch& batch, SubscriptionIndex& index);
  void deliver_to_class(const DeliveryClass& only);
  void deliver_to_classes();
  void reach(ConnectionNumber connection, std::uint32_t touched);
  const SharedRun& class_run(std::uint32_t touched);
  const SharedRun& merged_run(const Reached& reached);
  SharedRun make_run(std::span<const Pick> picks);
  std::size_t bytes_of(std::span<const Pick> picks) const;
  std::size_t append_frames(std::string& out, std::span<const Pick> same_text);

  EventTexts texts_;
  Look look_{};
  bool looked_ = false;
  std::vector<std::string_view> unlisted_{};
  std::vector<DeliveryClass*> found_{};    // scratch of match()
  std::vector<DeliveryClass*> touched_{};  // classes that get something, in order of their first
  std::vector<SharedRun> runs_{};          // of touched_, made when first needed
  std::vector<Reached> reached_{};         // by connection number
  std::vector<ConnectionNumber> order_{};  // of connections, as they were reached
  std::vector<Link> links_{};
  std::vector<std::uint32_t> set_{};  // scratch of merged_run()
  std::vector<Pick> picks_{};         // scratch of the runs
  std::string patterns_{};            // scratch of append_frames()
  std::unordered_map<std::vector<std::uint32_t>, SharedRun, SetHash> merged_{};
  std::vector<Delivery> deliveries_{};
  std::uint64_t batch_ = 0;
};

}  // namespace pgtide
