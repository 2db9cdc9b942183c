#include <spdlog/spdlog.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "bridge/address_key.hpp"
#include "bridge/core.hpp"
#include "bridge/dealing.hpp"

// Who is let in, and who gives way.
namespace pgtide {
namespace {

constexpr std::size_t ended_in_shortage = 16;  // of each shard, in a tenth of a second

}  // namespace

// None: it opens sockets too often.
std::optional<std::string> BridgeCore::whose_turn(Entrance entrance, const std::string& peer) {
  const bool may_come_often = entrance == Entrance::operators || trusted_proxies_.trusts(peer);
  if (!may_come_often && comes_too_often(peer, arrivals_)) {
    ++sockets_refused_;
    return std::nullopt;
  }
  return address_key(peer);
}

// Who comes where all places are held is not kept waiting by those who only hold one. Where an
// address alone is past its limit nobody gives way: others would pay for it.
void BridgeCore::receive(int native_socket, Entrance entrance, const std::string& peer) {
  const bool is_proxy = trusted_proxies_.trusts(peer);
  auto arrival = limiter_.enter(entrance, is_proxy ? "" : peer);
  if ((!arrival || arrival->spare) && limiter_.is_full()) make_room(1);
  if (!arrival) {
    ++sockets_refused_;
    ::close(native_socket);
    return;
  }
  deal().adopt(native_socket, std::move(*arrival));
}

// Counts it when not.
bool BridgeCore::comes_too_often(const std::string& address, AddressBudget& budget) {
  const auto now = std::chrono::steady_clock::now();
  if (budget.has_left(address, now)) {
    budget.spend(address, now, 1);
    return false;
  }
  if (says_often_.due()) {
    spdlog::warn(
        "{} opens more than the {} connections a second of "
        "limits.connections_per_second_per_address: further ones are refused; raise it where many "
        "clients share an address, or name their proxy in server.trusted_proxies",
        address, config_.limits.connections_per_second_per_address);
  }
  return true;
}

// Not in turn: strangers would fill one shard and leave the others to those they know.
Shard& BridgeCore::deal() {
  std::vector<std::size_t> loads;
  for (const auto& shard : shards_) loads.push_back(shard->load());
  return *shards_[choose_shard(loads, lot_())];
}

void BridgeCore::ask_for_memory() {
  if (shards_.size() == 1) return;
  for (const auto& shard : shards_) shard->relieve_memory();
}

// Of each shard those that have waited longest for a request.
void BridgeCore::make_room(std::size_t per_shard) {
  for (const auto& shard : shards_) shard->end_resting(per_shard);
}

void BridgeCore::note_shortage() {
  make_room(ended_in_shortage);
  ++accept_pauses_;
  if (!says_shortage_.due()) return;
  spdlog::error(
      "the system has no descriptor or no memory for another connection: those that are open go "
      "on, new ones wait; raise LimitNOFILE (ulimit -n), or lower limits.connections");
}

bool BridgeCore::may_ask(std::string_view address) {
  const auto now = std::chrono::steady_clock::now();
  if (!requests_.has_left(address, now)) return false;
  requests_.spend(address, now, 1);
  return true;
}

Operator::Admission BridgeCore::admit(const std::string& address) {
  if (limiter_.is_open() && !memory_.takes_connection()) {
    memory_.note(MemoryStep::connection_refused);
    if (says_short_of_memory_.due()) {
      spdlog::warn(
          "clients hold {} bytes and limits.memory_bytes is {}: further ones get 503; raise it, "
          "see pgtide connections for who holds much, or run another bridge",
          memory_.used(), memory_.bytes_max());
    }
    return Admission::short_of_memory;
  }
  if (limiter_.is_open() && comes_too_often(address, upgrades_)) {
    return Admission::too_often_from_address;
  }
  const Admission admission = limiter_.admit(address);
  if (admission == Admission::too_many && says_full_.due()) {
    spdlog::warn(
        "all {} connections of limits.connections are open: further clients get 503; raise it, or "
        "run another bridge",
        config_.limits.connections);
  }
  if (admission == Admission::too_many_from_address && says_full_address_.due()) {
    spdlog::warn(
        "{} has the {} connections of limits.connections_per_address: further ones get 503; raise "
        "it where many clients share an address, or name their proxy in server.trusted_proxies",
        address, config_.limits.connections_per_address);
  }
  return admission;
}

}  // namespace pgtide
