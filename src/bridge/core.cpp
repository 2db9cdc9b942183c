#include "bridge/core.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "bridge/address_key.hpp"
#include "bridge/gathering.hpp"
#include "bridge/lag.hpp"
#include "bridge/machine_memory.hpp"
#include "bridge/metrics.hpp"
#include "bridge/rules_loader.hpp"
#include "config/config_file.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

constexpr std::chrono::seconds drain_limit{10};           // PROTOCOL 7
constexpr std::chrono::seconds catalog_patience{2};
constexpr double request_burst_seconds = 5;  // what an address may ask for at once
// How many connections an address may open at once: those of a large office after a restart.
constexpr double arrival_burst_seconds = 20;
constexpr std::chrono::seconds probe_interval{1};  // of an address, past what all may ask for
constexpr std::size_t broadcast_bytes_max = 16 * 1'048'576;  // past it HTTP is told to come back

std::int64_t now_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

bool is_loopback(const std::string& host) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(host, error);
  return host == "localhost" || (!error && address.is_loopback());
}

// Written whole under another name first, so that who waits for the file never reads half of it.
Result<void> write_port_file(const std::string& path, const std::string& address) {
  const std::string unfinished = path + ".new";
  std::ofstream file(unfinished);
  file << address << '\n';
  file.close();
  if (!file || std::rename(unfinished.c_str(), path.c_str()) != 0) {
    return Error{ErrorKind::invalid, "cannot be written; correct server.port_file", path};
  }
  return {};
}

}  // namespace

BridgeCore::BridgeCore(Config config, MakeSource make_source)
    : config_(std::move(config)),
      make_source_(std::move(make_source)),
      memory_(memory_limit(config_.limits.memory_bytes, read_machine_memory())),
      limiter_(config_.limits.connections, config_.limits.connections_per_address),
      requests_({config_.limits.http_requests_per_second_per_address,
                 config_.limits.http_requests_per_second_per_address * request_burst_seconds},
                {config_.limits.http_requests_per_second_in_all,
                 config_.limits.http_requests_per_second_in_all},
                probe_interval),
      arrivals_(config_.limits.connections_per_second_per_address,
                config_.limits.connections_per_second_per_address * arrival_burst_seconds),
      upgrades_(config_.limits.connections_per_second_per_address,
                config_.limits.connections_per_second_per_address * arrival_burst_seconds),
      broadcaster_(config_.database.url),
      broadcast_thread_(std::make_unique<boost::asio::thread_pool>(1)) {}

BridgeCore::~BridgeCore() { halt(); }

// Without draining. Each step leaves nothing that calls what the next one ends: a shard may still
// answer another until all of them stand.
void BridgeCore::halt() {
  stage_ = Stage::stopping;
  key_watch_.reset();
  for (const auto& shard : shards_) shard->shut_gate();
  if (source_) source_->stop();
  broadcast_thread_->join();
  if (acceptor_) stop_accepting();
  for (const auto& shard : shards_) shard->halt();
  shards_.clear();
}

Result<void> BridgeCore::start() {
  if (stage_ != Stage::made) {
    return Error{ErrorKind::conflict, "a bridge starts once; make another one"};
  }
  std::string faults;
  for (const std::string& each : contradictions(config_)) {
    faults += (faults.empty() ? "" : "\n") + each;
  }
  if (!faults.empty()) return Error{ErrorKind::invalid, faults};
  auto started = start_serving();
  if (!started) halt();
  return started;
}

// In this order: whoever is answered finds everything that an answer needs.
Result<void> BridgeCore::start_serving() {
  auto rules = read_rules(config_.rules_named);
  if (!rules) return rules.error();
  auto authenticator = Authenticator::make(config_.auth);
  if (!authenticator) return authenticator.error();
  authenticator_ = std::move(*authenticator);
  auto proxies = TrustedProxies::parse(config_.server.trusted_proxies);
  if (!proxies) return proxies.error();
  trusted_proxies_ = std::move(*proxies);
  if ((*rules)->collections.empty() && (*rules)->all.kind == Audience::Kind::nobody) {
    spdlog::warn(
        "{}: no rules, so every subscription is refused. Four lines to begin with:\n"
        "version: 1\ncollections:\n  posts:\n    subscribe: public",
        config_.rules);
  }
  std::error_code ignored;
  had_rules_file_ = std::filesystem::exists(config_.rules, ignored);
  policy_ = std::make_unique<PolicyKeeper>(*rules);
  doorkeeper_ = std::make_shared<Doorkeeper>(authenticator_, *policy_);
  make_shards();
  key_watch_ = std::make_unique<KeyWatch>(authenticator_, [this] { close_ended_credentials(); });
  if (auto listening = listen(); !listening) return listening;
  source_ = make_source_(source_options(**rules));
  stage_ = Stage::running;
  start_accepting();
  source_->start(*this);
  if (config_.server.port_file.empty()) return {};
  return write_port_file(config_.server.port_file, address_);
}

Result<void> BridgeCore::listen() {
  const auto& server = config_.server;
  auto acceptor = Acceptor::listen(shards_.front()->context(), server.host, server.port);
  if (!acceptor) return acceptor.error();
  acceptor_ = std::move(*acceptor);
  address_ = acceptor_->address();
  if (server.admin_host.empty()) return {};
  auto own = Acceptor::listen(shards_.front()->context(), server.admin_host, server.admin_port);
  if (!own) return own.error();
  admin_acceptor_ = std::move(*own);
  admin_address_ = admin_acceptor_->address();
  return {};
}

void BridgeCore::start_accepting() {
  const auto begin = [this](Acceptor& acceptor, Entrance entrance) {
    acceptor.start({.take = [this, entrance](int native_socket, const std::string& peer) {
                      receive(native_socket, entrance, peer);
                    },
                    .whose = [this, entrance](const std::string& peer) {
                      return whose_turn(entrance, peer);
                    },
                    .on_refused = [this] { ++sockets_refused_; },
                    .on_shortage = [this] { note_shortage(); },
                    .per_second = config_.limits.connections_per_second,
                    .waiting_max = config_.limits.connections});
  };
  begin(*acceptor_, admin_acceptor_ ? Entrance::clients : Entrance::everyone);
  if (admin_acceptor_) begin(*admin_acceptor_, Entrance::operators);
}

Result<std::shared_ptr<const Rules>> BridgeCore::read_rules(bool required) const {
  if (own_rules_) return own_rules_;
  return load_rules(config_.rules, required);
}

ShardOptions BridgeCore::shard_options() {
  const auto& limits = config_.limits;
  ShardOptions options;
  options.broker.limits.subscriptions_per_connection = limits.subscriptions_per_connection;
  options.broker.limits.requests_per_second = limits.requests_per_second;
  options.broker.limits.event_bytes = limits.event_bytes;
  options.broker.limits.scanned_filters = limits.scanned_filters_per_collection;
  options.broker.limits.filter_steps_per_event = limits.filter_steps_per_event;
  options.broker.limits.filter_steps_per_second = limits.filter_steps_per_second;
  options.broker.limits.stretch_bytes = stretch_bytes(memory_.bytes_max());
  options.broker.memory = options.gateway.memory = &memory_;
  options.broker.heartbeat_interval = config_.heartbeat.interval;
  options.broker.auth_required = config_.auth.required;
  options.broker.clock = [] { return std::chrono::steady_clock::now(); };
  options.broker.address_key = address_key;
  options.broker.verify_token = [keeper = doorkeeper_](std::string_view token,
                                                       std::string_view address) {
    return keeper->by_token(token, address);
  };
  options.gateway.path = config_.server.path;
  options.gateway.allowed_origins = config_.server.allowed_origins;
  options.gateway.loopback_listener = is_loopback(config_.server.host);
  options.gateway.loopback_operators = is_loopback(config_.server.admin_host);
  options.gateway.loopback_admin = config_.server.loopback_admin;
  options.gateway.trusted_proxies = trusted_proxies_;
  options.gateway.message_bytes = limits.message_bytes;
  options.gateway.backlog_bytes = limits.backlog_bytes;
  options.gateway.frames_per_second = limits.frames_per_second;
  options.gateway.http_requests_per_second = limits.http_requests_per_second;
  options.gateway.handshake_timeout = limits.handshake_timeout;
  options.gateway.heartbeat_interval = config_.heartbeat.interval;
  options.gateway.heartbeat_timeout = config_.heartbeat.timeout;
  options.gateway.gatekeeper = doorkeeper_;
  options.gateway.auth_required = config_.auth.required;
  options.gateway.query_token = config_.auth.query_token;
  options.gateway.leeway = config_.auth.jwt.leeway;
  return options;
}

void BridgeCore::make_shards() {
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  const unsigned count = config_.server.threads == 0 ? cores : config_.server.threads;
  ShardOptions options = shard_options();
  options.pacer = pacer_;
  for (unsigned i = 0; i < count; ++i) {
    options.number = i;
    shards_.push_back(std::make_unique<Shard>(static_cast<Operator&>(*this), options));
  }
}

// On its own thread, where it accepts; destroyed there as well.
void BridgeCore::stop_accepting() {
  std::promise<void> stopped;
  boost::asio::post(shards_.front()->context(), [this, &stopped] {
    for (auto* acceptor : {&acceptor_, &admin_acceptor_}) {
      if (*acceptor) (*acceptor)->stop();
      acceptor->reset();
    }
    stopped.set_value();
  });
  stopped.get_future().wait();
}

SourceOptions BridgeCore::source_options(const Rules& rules) const {
  SourceOptions options;
  options.url = config_.database.url;
  options.wake_up = config_.database.wake_up;
  options.retention = config_.resume.retention;
  options.log_bytes = config_.resume.log_bytes;
  options.event_bytes = config_.limits.event_bytes;
  options.listed_tables = listed_tables(rules);
  return options;
}

// The clients are told first: the source and the broadcasts may wait for a database that is away.
void BridgeCore::stop() {
  if (stage_ != Stage::running) return;
  stage_ = Stage::stopping;
  const auto until = std::chrono::steady_clock::now() + drain_limit;
  stop_accepting();
  for (const auto& shard : shards_) shard->shut_gate();
  std::promise<void> drained;
  const auto all = std::make_shared<Gathering<bool>>(
      shards_.size(), [&drained](const std::vector<bool>&) { drained.set_value(); });
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    shards_[i]->drain(until, [done = all->slot(i)] { done(true); });
  }
  drained.get_future().wait();
  source_->stop();
  broadcast_thread_->join();
}

Result<void> BridgeCore::reload_rules() {
  if (stage_ != Stage::running) return Error{ErrorKind::conflict, "the bridge does not run"};
  auto rules = read_rules(config_.rules_named || had_rules_file_);
  if (!rules) return rules.error();
  auto taken = take_rules(*rules);
  // They may name a column that was added since the catalog was read.
  if (!taken && source_->refresh_catalog(catalog_patience)) taken = take_rules(*rules);
  if (taken) source_->list_tables(listed_tables(**rules));
  return taken;
}

Result<bool> BridgeCore::replace_api_keys(const Result<std::vector<Config::ApiKey>>& read) {
  if (stage_ != Stage::running) return Error{ErrorKind::conflict, "the bridge does not run"};
  const auto replaced = authenticator_->replace_api_keys(read);
  if (replaced && *replaced) close_ended_credentials();
  return replaced;
}

void BridgeCore::close_ended_credentials() {
  for (const auto& shard : shards_) shard->close_ended_credentials();
}

Result<void> BridgeCore::take_rules(std::shared_ptr<const Rules> rules) {
  const std::lock_guard lock(publishing_);
  const auto policy = policy_->use_rules(std::move(rules));
  if (!policy) return policy.error();
  for (const auto& shard : shards_) shard->replace_policy(*policy);
  return {};
}

void BridgeCore::use_cursor_key(const CursorKey& key) {
  for (const auto& shard : shards_) shard->use_cursor_key(key);
}

void BridgeCore::begin_at(const Cursor& position, std::shared_ptr<const Catalog> catalog,
                          std::optional<ResyncReason> why) {
  const std::lock_guard lock(publishing_);
  const auto policy = policy_->use_catalog(std::move(catalog));
  for (const auto& shard : shards_) shard->begin_at(position, policy, why);
  limiter_.open();
}

void BridgeCore::catalog_changed(std::shared_ptr<const Catalog> catalog) {
  const std::lock_guard lock(publishing_);
  const auto policy = policy_->use_catalog(std::move(catalog));
  for (const auto& shard : shards_) shard->replace_policy(policy);
}

void BridgeCore::deliver(std::shared_ptr<const Batch> piece) {
  for (const auto& shard : shards_) shard->deliver(piece);
}

void BridgeCore::status_changed(const SourceStatus& status) {
  if (!status.fault.empty()) spdlog::error("{}", one_line(status.fault));
}

Operator::Readiness BridgeCore::readiness() {
  const SourceStatus status = source_->status();
  const Lag lag = lag_of(status, now_us());
  const auto lag_ms = std::chrono::duration_cast<std::chrono::milliseconds>(lag.time);
  const bool behind = lag_ms > config_.ready.lag;
  Readiness answer;
  answer.ready = limiter_.is_open() && status.connected && status.fault.empty() && !behind;
  nlohmann::ordered_json json{{"ready", answer.ready},
                              {"database", status.connected},
                              {"capture", limiter_.is_open() && status.fault.empty()},
                              {"leader", status.leader},
                              {"lag_ms", lag_ms.count()},
                              {"behind", behind}};
  if (behind) json["reason"] = lag.why;
  if (!status.fault.empty()) json["fault"] = status.fault;
  json["problems"] = problems();
  answer.json = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return answer;
}

std::vector<std::string> BridgeCore::problems() const {
  const auto policy = policy_->current();
  std::vector<std::string> problems = policy->problems();
  for (const Collection& collection : policy->catalog().collections())
    if (!collection.fault.empty()) problems.push_back(collection.name + ": " + collection.fault);
  for (std::string& problem : authenticator_->problems()) problems.push_back(std::move(problem));
  add_problems(source_->status(), problems);
  return problems;
}

void BridgeCore::metrics(std::function<void(std::string)> done) {
  const auto finish = [this, done = std::move(done)](const std::vector<ShardFigures>& shards) {
    done(to_prometheus({shards, source_->status(), problems().size(), now_us(),
                        accept_pauses_.load(), sockets_refused_.load(), pacer_->spent().count(),
                        &memory_}));
  };
  const auto all = std::make_shared<Gathering<ShardFigures>>(shards_.size(), finish);
  for (std::size_t i = 0; i < shards_.size(); ++i) shards_[i]->collect(all->slot(i));
}

bool BridgeCore::enqueue_broadcast(std::size_t bytes) {
  if (broadcast_bytes_.fetch_add(bytes) + bytes <= broadcast_bytes_max) return true;
  broadcast_bytes_ -= bytes;
  return false;
}

void BridgeCore::broadcast(BroadcastRequest request, std::function<void(BroadcastDone)> done) {
  const std::size_t bytes = request.json.size();
  if (stage_ != Stage::running || !enqueue_broadcast(bytes)) {
    return done({Error{ErrorKind::unavailable, "too many broadcasts wait; try again"}, {}});
  }
  boost::asio::post(*broadcast_thread_,
                    [this, bytes, request = std::move(request), done = std::move(done)] {
                      BroadcastDone answer = commit(request);
                      broadcast_bytes_ -= bytes;
                      done(std::move(answer));
                    });
}

BroadcastDone BridgeCore::commit(const BroadcastRequest& request) {
  if (stage_ != Stage::running) {
    return {Error{ErrorKind::unavailable, "the server is stopping; try again"}, {}};
  }
  if (!request.collection) return {broadcaster_.broadcast_all(request.json), {}};
  BroadcastDone answer{broadcaster_.broadcast(*request.collection, request.json), {}};
  if (answer.result.ok() && !policy_->current()->lists(*request.collection)) {
    answer.warning = "no rule lists '" + *request.collection +
                     "': committed, but only subscribers of * get it";
  }
  return answer;
}

std::optional<std::string_view> BridgeCore::page() {
  if (page_.empty()) return std::nullopt;
  return page_;
}

}  // namespace pgtide
