#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bridge/address_key.hpp"
#include "bridge/core.hpp"
#include "bridge/dealing.hpp"
#include "bridge/gathering.hpp"

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

// Where there is no place, or no memory, an address that has most gives way to one that has few.
Operator::Admission BridgeCore::admit(const std::string& address) {
  if (!limiter_.is_open()) return Admission::starting;
  if (comes_too_often(address, upgrades_)) return Admission::too_often_from_address;
  const Admission admission =
      memory_.takes_connection() ? limiter_.admit(address) : Admission::short_of_memory;
  if (admission == Admission::too_many || admission == Admission::short_of_memory) {
    if (const auto leaves = limiter_.admit_instead(address)) {
      end_youngest(*leaves, address);
      return Admission::admitted;
    }
  }
  if (admission != Admission::admitted) note_refusal(admission, address);
  return admission;
}

// Of all shards. Another newcomer may mean the same one at the same time: then it is looked for
// again, and each of them ends one. Where all of an address stay, it is the next one's turn.
void BridgeCore::end_youngest(const std::string& address_key, const std::string& newcomer) {
  const auto end = [this, address_key, newcomer](std::vector<std::optional<Leaver>> by_shard) {
    const auto youngest = std::ranges::max_element(by_shard, {}, [](const auto& leaver) {
      return leaver ? leaver->connected_at : std::chrono::system_clock::time_point::min();
    });
    if (!*youngest) {
      const auto next = limiter_.pick_another(newcomer, address_key);
      if (next) end_youngest(*next, newcomer);
      return;
    }
    note_leaver(**youngest);
    const auto shard = static_cast<std::size_t>(youngest - by_shard.begin());
    shards_[shard]->end_leaver((*youngest)->id, [this, address_key, newcomer](bool ended) {
      if (!ended) end_youngest(address_key, newcomer);
    });
  };
  const auto all = std::make_shared<Gathering<std::optional<Leaver>>>(shards_.size(), end);
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    shards_[i]->find_leaver(address_key, all->slot(i));
  }
}

void BridgeCore::note_leaver(const Leaver& leaver) {
  if (!says_gives_way_.due()) return;
  spdlog::warn(
      "there is no place for newcomers (limits.connections {}, limits.memory_bytes {}), so those "
      "that have few connections take those of the address that has the most, of {} now (close "
      "1013); raise what is short, set limits.connections_per_address, or name a proxy in "
      "server.trusted_proxies where many clients share that address",
      config_.limits.connections, memory_.bytes_max(), leaver.remote_address);
}

void BridgeCore::note_refusal(Admission admission, const std::string& address) {
  if (admission == Admission::short_of_memory) {
    memory_.note(MemoryStep::connection_refused);
    if (!says_short_of_memory_.due()) return;
    spdlog::warn(
        "clients hold {} bytes and limits.memory_bytes is {}: further ones get 503; raise it, "
        "see pgtide connections for who holds much, or run another bridge",
        memory_.used(), memory_.bytes_max());
  }
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
}

}  // namespace pgtide
