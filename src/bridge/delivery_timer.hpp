#pragma once
#include <prometheus/client_metric.h>
#include <prometheus/histogram.h>

#include <algorithm>
#include <chrono>

#include "broker/broker.hpp"
#include "pgtide/event.hpp"
#include "rules/instant.hpp"

namespace pgtide {

// How long things took, in seconds, as Prometheus takes histograms.
struct ShardTimes {
  prometheus::ClientMetric::Histogram match{};
  prometheus::ClientMetric::Histogram encode{};
  prometheus::ClientMetric::Histogram send{};     // of a batch to the sockets that take it at once
  prometheus::ClientMetric::Histogram latency{};  // from the last change of a batch to its frames
};

// Times what a shard does with each batch. Owned by its thread.
class DeliveryTimer {
 public:
  void note(const DeliveryTimes& delivery) {
    match_.Observe(seconds(delivery.match));
    encode_.Observe(seconds(delivery.encode));
    send_.Observe(seconds(delivery.send));
  }
  // After the frames of the batch went out. (Clocks of two machines may differ.)
  void note_latency(const Event& last_change) {
    const auto changed = parse_instant(last_change.timestamp);
    if (!changed) return;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const std::chrono::microseconds changed_at{*changed};
    latency_.Observe(std::max(0.0, seconds(now - changed_at)));
  }
  ShardTimes read() const {
    return {match_.Collect().histogram, encode_.Collect().histogram, send_.Collect().histogram,
            latency_.Collect().histogram};
  }

 private:
  static double seconds(std::chrono::nanoseconds time) {
    return std::chrono::duration<double>(time).count();
  }
  static prometheus::Histogram::BucketBoundaries bounds() {
    return {25e-6, 100e-6, 250e-6, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 2.5, 10};
  }

  prometheus::Histogram match_{bounds()};
  prometheus::Histogram encode_{bounds()};
  prometheus::Histogram send_{bounds()};
  prometheus::Histogram latency_{bounds()};
};

}  // namespace pgtide
