#include "bridge/metrics.hpp"

#include <prometheus/text_serializer.h>

#include <algorithm>

namespace pgtide {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

// Collects families in the order of the calls.
class Page {
 public:
  void counter(const char* name, const char* help, std::uint64_t value) {
    add(name, help, MetricType::Counter).counter.value = static_cast<double>(value);
  }
  void gauge(const char* name, const char* help, double value) {
    add(name, help, MetricType::Gauge).gauge.value = value;
  }
  std::string text() const { return prometheus::TextSerializer{}.Serialize(families_); }

 private:
  prometheus::ClientMetric& add(const char* name, const char* help, MetricType type) {
    families_.push_back({name, help, type, {prometheus::ClientMetric{}}});
    return families_.back().metric.front();
  }
  std::vector<MetricFamily> families_;
};

ShardFigures sum_of(const std::vector<ShardFigures>& shards) {
  ShardFigures sum;
  for (const ShardFigures& shard : shards) {
    sum.connections += shard.connections;
    sum.subscriptions += shard.subscriptions;
    sum.broker.deliveries += shard.broker.deliveries;
    sum.broker.requests_refused += shard.broker.requests_refused;
    // Every shard sees every event, so these are no sums.
    sum.broker.events_in = std::max(sum.broker.events_in, shard.broker.events_in);
    sum.broker.events_truncated =
        std::max(sum.broker.events_truncated, shard.broker.events_truncated);
    sum.broker.events_unlisted =
        std::max(sum.broker.events_unlisted, shard.broker.events_unlisted);
    GatewayCounters& gateway = sum.gateway;
    gateway.connections_opened += shard.gateway.connections_opened;
    gateway.connections_closed += shard.gateway.connections_closed;
    gateway.handshakes_refused += shard.gateway.handshakes_refused;
    gateway.heartbeats_lost += shard.gateway.heartbeats_lost;
    gateway.fell_behind += shard.gateway.fell_behind;
    gateway.events_dropped += shard.gateway.events_dropped;
    gateway.bytes_sent += shard.gateway.bytes_sent;
    gateway.bytes_received += shard.gateway.bytes_received;
    gateway.sends += shard.gateway.sends;
    gateway.backlog_bytes += shard.gateway.backlog_bytes;
  }
  return sum;
}

void add_source(Page& page, const SourceStatus& source, std::int64_t now_us) {
  page.gauge("pgtide_database_connected", "1 while the database is reached.", source.connected);
  page.gauge("pgtide_leader", "1 on the bridge that makes the ticks.", source.leader);
  page.counter("pgtide_ticks_total", "Ticks delivered.", source.batches);
  page.counter("pgtide_changes_total", "Changes read from the log.", source.changes);
  page.counter("pgtide_changes_skipped_total",
               "Changes that could not be sent: no JSON, or no UTF-8.", source.changes_skipped);
  page.counter("pgtide_database_reconnects_total", "Connections made anew after a loss.",
               source.reconnects);
  page.counter("pgtide_database_queries_total", "Statements sent to the database.",
               source.queries);
  page.gauge("pgtide_log_bytes", "Size of the log tables, as last looked at.",
             static_cast<double>(source.log_bytes));
  const std::int64_t lag_us = source.oldest_unread_us == 0 ? 0 : now_us - source.oldest_unread_us;
  page.gauge("pgtide_lag_seconds", "Age of the oldest change that waits to be read.",
             static_cast<double>(std::max<std::int64_t>(lag_us, 0)) / 1e6);
}

}  // namespace

std::string to_prometheus(const std::vector<ShardFigures>& shards, const SourceStatus& source,
                          std::int64_t now_us) {
  const ShardFigures sum = sum_of(shards);
  Page page;
  page.gauge("pgtide_connections", "Open WebSockets.", static_cast<double>(sum.connections));
  page.gauge("pgtide_subscriptions", "Subscriptions held.",
             static_cast<double>(sum.subscriptions));
  page.counter("pgtide_connections_opened_total", "WebSockets opened.",
               sum.gateway.connections_opened);
  page.counter("pgtide_connections_closed_total", "WebSockets closed.",
               sum.gateway.connections_closed);
  page.counter("pgtide_handshakes_refused_total", "Handshakes answered with an HTTP error.",
               sum.gateway.handshakes_refused);
  page.counter("pgtide_heartbeats_lost_total", "Connections closed for want of a sign of life.",
               sum.gateway.heartbeats_lost);
  page.counter("pgtide_requests_refused_total", "Requests answered with an error.",
               sum.broker.requests_refused);
  page.counter("pgtide_events_total", "Events matched against the subscriptions.",
               sum.broker.events_in);
  page.counter("pgtide_events_truncated_total", "Events sent without their row, for its size.",
               sum.broker.events_truncated);
  page.counter("pgtide_events_unlisted_total", "Custom events of names that no rule lists.",
               sum.broker.events_unlisted);
  page.counter("pgtide_deliveries_total", "Events queued for a connection.",
               sum.broker.deliveries);
  page.counter("pgtide_fell_behind_total", "Times a connection passed its backlog.",
               sum.gateway.fell_behind);
  page.counter("pgtide_events_dropped_total", "Events dropped for connections that fell behind.",
               sum.gateway.events_dropped);
  page.gauge("pgtide_backlog_bytes", "Bytes of events that wait for their sockets.",
             static_cast<double>(sum.gateway.backlog_bytes));
  page.counter("pgtide_sent_bytes_total", "Bytes written to sockets.", sum.gateway.bytes_sent);
  page.counter("pgtide_received_bytes_total", "Bytes read from sockets.",
               sum.gateway.bytes_received);
  page.counter("pgtide_sends_total", "System calls that wrote to a socket.", sum.gateway.sends);
  add_source(page, source, now_us);
  return page.text();
}

}  // namespace pgtide
