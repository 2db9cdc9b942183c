#include "bridge/metrics.hpp"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "bridge/lag.hpp"
#include "bridge/resource_figures.hpp"

namespace pgtide {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// Collects families in the order of the calls.
class Page {
 public:
  void counter(const char* name, const char* help, std::uint64_t value) {
    counter(name, help, static_cast<double>(value));
  }
  void counter(const char* name, const char* help, double value) {
    add(name, help, MetricType::Counter).counter.value = value;
  }
  void gauge(const char* name, const char* help, double value) {
    add(name, help, MetricType::Gauge).gauge.value = value;
  }
  void histogram(const char* name, const char* help, const ClientMetric::Histogram& value) {
    add(name, help, MetricType::Histogram).histogram = value;
  }
  // A counter for each value of one label.
  void begin_counters(const char* name, const char* help) {
    families_.push_back({name, help, MetricType::Counter, {}});
  }
  // A gauge for each value of one label.
  void begin_gauges(const char* name, const char* help) {
    families_.push_back({name, help, MetricType::Gauge, {}});
  }
  void labelled_gauge(const char* label, std::string_view value, double amount) {
    ClientMetric metric;
    metric.label.push_back({label, std::string(value)});
    metric.gauge.value = amount;
    families_.back().metric.push_back(std::move(metric));
  }
  void labelled(const char* label, std::string_view value, std::uint64_t count) {
    ClientMetric metric;
    metric.label.push_back({label, std::string(value)});
    metric.counter.value = static_cast<double>(count);
    families_.back().metric.push_back(std::move(metric));
  }
  std::string text() const { return prometheus::TextSerializer{}.Serialize(families_); }

 private:
  ClientMetric& add(const char* name, const char* help, MetricType type) {
    families_.push_back({name, help, type, {ClientMetric{}}});
    return families_.back().metric.front();
  }
  std::vector<MetricFamily> families_;
};

void add_to(ClientMetric::Histogram& sum, const ClientMetric::Histogram& one) {
  sum.sample_count += one.sample_count;
  sum.sample_sum += one.sample_sum;
  if (sum.bucket.empty()) {
    sum.bucket = one.bucket;
    return;
  }
  for (std::size_t i = 0; i < sum.bucket.size(); ++i) {
    sum.bucket[i].cumulative_count += one.bucket[i].cumulative_count;
  }
}

ShardFigures sum_of(const std::vector<ShardFigures>& shards) {
  ShardFigures sum;
  for (const ShardFigures& shard : shards) {
    sum.connections += shard.connections;
    sum.subscriptions += shard.subscriptions;
    sum.events_by_collection.insert(shard.events_by_collection.begin(),
                                    shard.events_by_collection.end());
    sum.broker.deliveries += shard.broker.deliveries;
    sum.broker.requests_refused += shard.broker.requests_refused;
    sum.broker.filters_ended += shard.broker.filters_ended;
    sum.broker.filter_steps += shard.broker.filter_steps;
    for (std::size_t code = 0; code < wire_codes; ++code) {
      sum.broker.errors[code] += shard.broker.errors[code];
    }
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
    gateway.requests_expired += shard.gateway.requests_expired;
    for (const auto& [status, count] : shard.gateway.http_refusals) {
      gateway.http_refusals[status] += count;
    }
    gateway.heartbeats_lost += shard.gateway.heartbeats_lost;
    gateway.tokens_refused += shard.gateway.tokens_refused;
    gateway.tokens_expired += shard.gateway.tokens_expired;
    for (const auto& [code, count] : shard.gateway.closes) gateway.closes[code] += count;
    gateway.fell_behind += shard.gateway.fell_behind;
    gateway.events_dropped += shard.gateway.events_dropped;
    gateway.bytes_sent += shard.gateway.bytes_sent;
    gateway.bytes_received += shard.gateway.bytes_received;
    gateway.sends += shard.gateway.sends;
    gateway.backlog_bytes += shard.gateway.backlog_bytes;
    add_to(sum.times.match, shard.times.match);
    add_to(sum.times.encode, shard.times.encode);
    add_to(sum.times.send, shard.times.send);
    add_to(sum.times.latency, shard.times.latency);
  }
  return sum;
}

void add_source(Page& page, const SourceStatus& source, std::int64_t now_us) {
  page.gauge("pgtide_database_connected", "1 while the database is reached.", source.connected);
  page.gauge("pgtide_leader", "1 on the bridge that makes the ticks.", source.leader);
  page.counter("pgtide_ticks_total", "Ticks delivered.", source.batches);
  page.gauge("pgtide_tick", "The last tick delivered: how far bridges are apart.",
             static_cast<double>(source.tick));
  page.counter("pgtide_changes_total", "Changes read from the log.", source.changes);
  page.counter("pgtide_changes_skipped_total",
               "Changes that could not be sent: no JSON, or no UTF-8.", source.changes_skipped);
  page.counter("pgtide_database_reconnects_total", "Connections made anew after a loss.",
               source.reconnects);
  page.counter("pgtide_database_queries_total", "Statements sent to the database.",
               source.queries);
  page.gauge("pgtide_log_bytes", "Size of the log tables, as last looked at.",
             static_cast<double>(source.log_bytes));
  page.gauge("pgtide_lag_seconds",
             "For how long changes have waited to be read, or the database has not answered.",
             static_cast<double>(lag_of(source, now_us).time.count()) / 1e6);
}

// The whole process under the names that every client library of Prometheus uses.
void add_resources(Page& page) {
  const ResourceFigures taken = read_resource_figures();
  page.gauge("process_start_time_seconds", "When the process began, since 1970.",
             taken.started_at_s);
  page.counter("process_cpu_seconds_total", "CPU time, user and system.", taken.cpu_seconds);
  page.gauge("process_resident_memory_bytes", "Resident memory.",
             static_cast<double>(taken.resident_bytes));
  page.gauge("process_open_fds", "Open file descriptors.", static_cast<double>(taken.open_fds));
  page.gauge("process_max_fds", "The most that it may open.",
             static_cast<double>(taken.max_fds));
}

template <class Key>
std::uint64_t count_of(const std::map<Key, std::uint64_t>& counts, Key key) {
  const auto found = counts.find(key);
  return found == counts.end() ? 0 : found->second;
}

void add_clients(Page& page, const ShardFigures& sum) {
  const GatewayCounters& gateway = sum.gateway;
  page.gauge("pgtide_connections", "Open WebSockets.", static_cast<double>(sum.connections));
  page.gauge("pgtide_subscriptions", "Subscriptions held.",
             static_cast<double>(sum.subscriptions));
  page.counter("pgtide_connections_opened_total", "WebSockets opened.",
               gateway.connections_opened);
  page.counter("pgtide_connections_closed_total", "WebSockets closed.",
               gateway.connections_closed);
  page.begin_counters("pgtide_closes_total", "Closes that the server began, by close code.");
  for (const CloseCode code :
       {CloseCode::going_away, CloseCode::protocol_error, CloseCode::unsupported,
        CloseCode::invalid_utf8, CloseCode::too_big, CloseCode::try_again_later,
        CloseCode::bad_credential, CloseCode::kicked, CloseCode::heartbeat_lost,
        CloseCode::too_many_refusals}) {
    page.labelled("code", std::to_string(static_cast<unsigned>(code)),
                  count_of(gateway.closes, code));
  }
  page.counter("pgtide_handshakes_refused_total", "Handshakes answered with an HTTP error.",
               gateway.handshakes_refused);
  page.counter("pgtide_requests_expired_total",
               "Connections that sent no whole request within limits.handshake_timeout.",
               gateway.requests_expired);
  page.begin_counters("pgtide_http_refusals_total", "HTTP requests refused, by status.");
  for (const unsigned status :
       {400U, 401U, 403U, 404U, 405U, 413U, 415U, 426U, 429U, 431U, 500U, 503U}) {
    page.labelled("status", std::to_string(status), count_of(gateway.http_refusals, status));
  }
  page.counter("pgtide_heartbeats_lost_total", "Connections closed for want of a sign of life.",
               gateway.heartbeats_lost);
  page.counter("pgtide_requests_refused_total", "Requests answered with an error.",
               sum.broker.requests_refused);
  page.counter("pgtide_filter_steps_total", "Steps that clients' filters took.",
               sum.broker.filter_steps);
  page.counter("pgtide_filters_ended_total", "Filters that took more steps than they may.",
               sum.broker.filters_ended);
  page.begin_counters("pgtide_errors_total", "Messages of type error that were sent, by code.");
  for (std::size_t i = 0; i < wire_codes; ++i) {
    const auto code = static_cast<WireCode>(i);
    std::uint64_t count = sum.broker.errors[i];
    if (code == WireCode::invalid_token) count += gateway.tokens_refused;
    if (code == WireCode::token_expired) count += gateway.tokens_expired;
    page.labelled("code", to_string(code), count);
  }
}

void add_memory(Page& page, const MemoryAccount& memory) {
  page.gauge("pgtide_memory_limit_bytes", "limits.memory_bytes, or what it stands for.",
             static_cast<double>(memory.bytes_max()));
  page.begin_gauges("pgtide_memory_bytes", "Held for clients now, by kind; of the limit.");
  for (std::size_t i = 0; i < memory_kinds; ++i) {
    const auto kind = static_cast<MemoryKind>(i);
    page.labelled_gauge("kind", to_string(kind), static_cast<double>(memory.used(kind)));
  }
  page.begin_counters("pgtide_memory_steps_total",
                      "What was done because memory ran short of its limit, by step.");
  for (std::size_t i = 0; i < memory_steps; ++i) {
    const auto step = static_cast<MemoryStep>(i);
    page.labelled("step", to_string(step), memory.steps(step));
  }
}

void add_events(Page& page, const ShardFigures& sum) {
  page.counter("pgtide_events_total", "Events matched against the subscriptions.",
               sum.broker.events_in);
  page.begin_counters("pgtide_collection_events_total",
                      "The same, by watched or listed collection.");
  for (const auto& [name, count] : std::map(sum.events_by_collection.begin(),
                                            sum.events_by_collection.end())) {
    page.labelled("collection", name, count);
  }
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
  page.histogram("pgtide_event_latency_seconds",
                 "From a change, by its timestamp, to its frames; once per batch and thread.",
                 sum.times.latency);
  page.histogram("pgtide_match_seconds", "To find who sees a batch, per batch and thread.",
                 sum.times.match);
  page.histogram("pgtide_encode_seconds", "To write a batch's frames, per batch and thread.",
                 sum.times.encode);
  page.histogram("pgtide_send_seconds", "To hand a batch to the sockets, per batch and thread.",
                 sum.times.send);
}

}  // namespace

std::string to_prometheus(const BridgeFigures& figures) {
  const ShardFigures sum = sum_of(figures.shards);
  Page page;
  add_clients(page, sum);
  page.counter("pgtide_accept_pauses_total",
               "Times that no connection was accepted for want of descriptors or memory.",
               figures.accept_pauses);
  page.counter("pgtide_sockets_refused_total",
               "Accepted sockets that were closed unread: past the limits and their spare part, or "
               "past the rate of their address.",
               figures.sockets_refused);
  if (figures.memory != nullptr) add_memory(page, *figures.memory);
  add_events(page, sum);
  page.counter("pgtide_paced_seconds_total",
               "Time that bursts were held back for those who read them: 3 % of all at the most.",
               figures.paced_seconds);
  add_source(page, figures.source, figures.now_us);
  page.gauge("pgtide_problems", "What /readyz lists as wrong: closed collections, faulty tables.",
             static_cast<double>(figures.problems));
  add_resources(page);
  return page.text();
}

}  // namespace pgtide
