#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "bridge/address_budget.hpp"
#include "bridge/connection_limiter.hpp"
#include "bridge/doorkeeper.hpp"
#include "bridge/policy_keeper.hpp"
#include "bridge/seldom.hpp"
#include "bridge/shard.hpp"
#include "bridge/shared_budget.hpp"
#include "broker/memory_account.hpp"
#include "capture/broadcaster.hpp"
#include "capture/change_source.hpp"
#include "gateway/acceptor.hpp"
#include "pgtide/config.hpp"

namespace boost::asio {
class thread_pool;
}

namespace pgtide {

// Makes the source of batches: the seam that tests replace.
using MakeSource = std::function<std::unique_ptr<ChangeSource>(SourceOptions)>;

// Where the floors meet: one source, N shards, one acceptor, and what their HTTP asks.
//
//   source thread ── begin_at, catalog_changed, deliver ──►  each shard's queue
//   acceptor (on shard 0's thread) ── socket ──►  the shard with the fewest clients
//   shard threads ── Operator ──►  readiness, metrics, broadcasts, memory of other shards
class BridgeCore : private ChangeSink, private Operator {
 public:
  BridgeCore(Config config, MakeSource make_source);
  ~BridgeCore() override;

  // The page at `/`; before start(). `pgtide demo` only.
  void show_page(std::string page) { page_ = std::move(page); }

  // These rules instead of a file's; before start(). The demo's.
  void use_rules(std::shared_ptr<const Rules> rules) { own_rules_ = std::move(rules); }

  Result<void> start();
  void stop();  // drains; 10 s at most
  Result<void> reload_rules();
  // auth.api_keys as they were read anew, or why they could not be: then the old ones stay, and it
  // is a problem until they could. True where they are other ones than before.
  Result<bool> replace_api_keys(const Result<std::vector<Config::ApiKey>>& read);
  std::string address() const { return address_; }
  std::string admin_address() const { return admin_address_; }  // empty: the same
  const Config& config() const { return config_; }

  // Not on a shard's thread: they wait for the shards. Nothing while the bridge does not run.
  std::vector<std::pair<std::size_t, ListedConnection>> connections() const;  // with their shards
  void close_connection(std::size_t shard, const std::string& id);

 private:
  void use_cursor_key(const CursorKey& key) override;
  void begin_at(const Cursor& position, std::shared_ptr<const Catalog> catalog,
                std::optional<ResyncReason> why) override;
  void catalog_changed(std::shared_ptr<const Catalog> catalog) override;
  void deliver(std::shared_ptr<const Batch> piece) override;
  void status_changed(const SourceStatus& status) override;

  Operator::Readiness readiness() override;
  void metrics(std::function<void(std::string)> done) override;
  void broadcast(BroadcastRequest request, std::function<void(BroadcastDone)> done) override;
  void list(ConnectionQuery query, std::function<void(ConnectionPage)> done) override;
  void kick(ConnectionQuery query, std::function<void(std::size_t)> done) override;
  std::optional<std::string_view> page() override;
  bool may_ask(std::string_view address) override;
  Admission admit(const std::string& address) override;
  void release(const std::string& address) override { limiter_.release(address); }
  void ask_for_memory() override;

  enum class Stage { made, running, stopping };

  Result<std::shared_ptr<const Rules>> read_rules(bool required) const;
  // What is wrong between rules and tables, each with its mend.
  std::vector<std::string> problems() const;
  void close_ended_credentials();
  Result<void> take_rules(std::shared_ptr<const Rules> rules);
  Result<void> start_serving();
  ShardOptions shard_options();
  void make_shards();
  Result<void> listen();
  void start_accepting();
  void note_shortage();
  std::optional<std::string> whose_turn(Entrance entrance, const std::string& peer);
  void receive(int native_socket, Entrance entrance, const std::string& peer);
  bool comes_too_often(const std::string& address, AddressBudget& budget);
  Shard& deal();
  void make_room(std::size_t per_shard);
  void end_youngest(const std::string& address_key, const std::string& newcomer);
  void note_leaver(const Leaver& leaver);
  void note_refusal(Admission admission, const std::string& address);
  void stop_accepting();
  void halt();
  bool enqueue_broadcast(std::size_t bytes);
  SourceOptions source_options(const Rules& rules) const;
  BroadcastDone commit(const BroadcastRequest& request);

  std::atomic<Stage> stage_ = Stage::made;
  const Config config_;
  const MakeSource make_source_;
  std::string page_;
  std::shared_ptr<const Rules> own_rules_;
  bool had_rules_file_ = false;
  std::string address_;
  std::string admin_address_;
  MemoryAccount memory_;  // of all shards, which it outlives
  ConnectionLimiter limiter_;
  SharedBudget requests_;   // of HTTP
  AddressBudget arrivals_;  // sockets
  AddressBudget upgrades_;  // where a proxy's sockets are many clients'
  Seldom says_full_;
  Seldom says_full_address_;
  Seldom says_gives_way_;
  Seldom says_often_;
  Seldom says_short_of_memory_;
  Seldom says_shortage_;
  std::atomic<std::uint64_t> accept_pauses_ = 0;
  std::atomic<std::uint64_t> sockets_refused_ = 0;
  std::unique_ptr<PolicyKeeper> policy_;
  std::shared_ptr<Authenticator> authenticator_;
  TrustedProxies trusted_proxies_{};
  const std::shared_ptr<Pacer> pacer_ = std::make_shared<Pacer>();
  std::shared_ptr<const Doorkeeper> doorkeeper_;
  std::unique_ptr<KeyWatch> key_watch_;
  std::mutex publishing_;  // policies reach all shards in the order in which they were made
  std::unique_ptr<ChangeSource> source_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::unique_ptr<Acceptor> acceptor_;
  std::unique_ptr<Acceptor> admin_acceptor_;  // null: operators come where clients do
  std::random_device lot_;  // the acceptor's thread
  Broadcaster broadcaster_;
  std::atomic<std::size_t> broadcast_bytes_ = 0;  // waiting, or being committed
  std::unique_ptr<boost::asio::thread_pool> broadcast_thread_;
};

}  // namespace pgtide
