#include "gateway/relief.hpp"

#include <algorithm>
#include <functional>
#include <string>

#include "gateway/core.hpp"

// The account is one for all shards, and so are those that pay when it is over: else the clients of
// one shard, who may be few and hold little, would fall for a crowd in another one. A shard cannot
// look into another's connections, and does not wait for its answer (it may be in the midst of a
// long delivery). So each of them writes the sizes of its backlogs into a ledger while memory is
// short, and whoever finds the account over drops those of its own that are among the largest of
// the whole ledger. What is left to do is the others': they are told, and find the same floor.
// Where they do not get to it, and memory grows on, an eighth past the limit each shard drops
// whatever it has: the limit is kept in any case. (Rejected: a gathering of all sizes at a
// coordinator, which answers when memory has grown on.)
namespace pgtide {

std::vector<Relief::Sized> Relief::weigh_all() {
  weighed_at_ = core_.traffic.counters.backlog_bytes;
  std::vector<Sized> waiting;
  for (const ConnectionNumber number : core_.seated()) {
    Session& session = *core_.find(number);
    if (session.backlog_bytes() == 0) continue;
    waiting.emplace_back(session.wire().weigh_backlog(), number);
  }
  return waiting;
}

void Relief::weigh_backlogs() {
  const MemoryAccount* memory = core_.options.memory;
  if (memory == nullptr || memory->eased()) return;
  const std::size_t waits = core_.traffic.counters.backlog_bytes;
  const std::size_t moved = std::max(waits, weighed_at_) - std::min(waits, weighed_at_);
  if (moved > weighed_at_ / 16) weigh_all();
}

bool Relief::drop() {
  MemoryAccount& memory = *core_.options.memory;
  std::vector<Sized> waiting = weigh_all();
  std::sort(waiting.begin(), waiting.end(), std::greater<>());
  const std::size_t floor =
      memory.far_over() ? 0 : memory.backlog_sizes().floor_of(memory.bytes_to_ease());
  for (const auto& [bytes, number] : waiting) {
    if (memory.eased() || bytes < floor) break;
    if (!core_.find(number)->wire().drop_backlog()) continue;
    memory.note(MemoryStep::backlog_dropped);
    core_.log.lost_backlog(core_.broker.record(number));
  }
  return memory.eased();
}

bool Relief::drop_or_ask() {
  if (core_.options.memory == nullptr) return false;
  if (drop()) return true;
  core_.op.ask_for_memory();
  return false;
}

// In the midst of a broadcast most often: a wire that is cut tells its session from the loop.
bool Relief::cut_off() {
  MemoryAccount& memory = *core_.options.memory;
  const std::size_t least =
      std::max<std::size_t>(1, memory.unread_sizes().floor_of(memory.unread_bytes_to_ease()));
  std::vector<Sized> unread;
  for (const ConnectionNumber number : core_.seated()) {
    const std::size_t bytes = core_.find(number)->wire().unread_bytes();
    if (bytes >= least) unread.emplace_back(bytes, number);
  }
  std::sort(unread.begin(), unread.end(), std::greater<>());
  for (const auto& [bytes, number] : unread) {
    if (memory.unread_eased()) break;
    Wire& wire = core_.find(number)->wire();
    if (!wire.open()) continue;
    wire.break_off();
    memory.note(MemoryStep::client_cut_off);
    core_.log.cut_off(core_.broker.record(number), "it has left more unread than most, " +
                                                       std::to_string(bytes) +
                                                       " bytes that cannot be dropped");
  }
  return memory.unread_eased();
}

void Relief::cut_off_or_ask() {
  const MemoryAccount* memory = core_.options.memory;
  if (memory == nullptr || !memory->unread_over()) return;
  // In vain again, most likely, while there is about as much: the others are about to do it.
  const std::size_t unread = memory->used(MemoryKind::replies);
  const std::size_t moved = std::max(unread, cut_off_in_vain_) - std::min(unread, cut_off_in_vain_);
  if (cut_off_in_vain_ != 0 && moved < memory->bytes_max() / 64) return;
  const bool eased = cut_off();
  cut_off_in_vain_ = eased ? 0 : memory->used(MemoryKind::replies);
  if (!eased) core_.op.ask_for_memory();
}

void Relief::do_what_is_asked() {
  const MemoryAccount* memory = core_.options.memory;
  if (memory == nullptr) return;
  if (memory->over()) drop();
  if (memory->unread_over()) cut_off();
}

}  // namespace pgtide
