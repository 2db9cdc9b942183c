#include "pgtide/realtime.hpp"

#include <utility>

#include "bridge/core.hpp"
#include "capture/broadcaster.hpp"

namespace pgtide {

Realtime::Realtime(std::string database_url)
    : broadcaster_(std::make_unique<Broadcaster>(std::move(database_url))) {}
Realtime::~Realtime() = default;
Realtime::Realtime(Realtime&&) noexcept = default;
Realtime& Realtime::operator=(Realtime&&) noexcept = default;

Result<void> Realtime::broadcast(std::string_view collection, std::string_view json) {
  return broadcaster_->broadcast(collection, json);
}

Result<void> Realtime::broadcast_all(std::string_view json) {
  return broadcaster_->broadcast_all(json);
}

BridgeRealtime::BridgeRealtime(std::string database_url, std::weak_ptr<BridgeCore> core)
    : Realtime(std::move(database_url)), core_(std::move(core)) {}

std::vector<ConnectionInfo> BridgeRealtime::get_connections() const {
  const auto core = core_.lock();
  if (!core) return {};
  std::vector<ConnectionInfo> infos;
  for (const auto& [shard, listed] : core->connections()) {
    const ConnectionRecord& record = listed.record;
    ConnectionInfo info;
    info.id = record.id;
    if (record.user) info.user = ConnectionUser{record.user->id, record.user->roles};
    info.remote_address = record.remote_address;
    for (const HeldPattern& held : listed.patterns) info.patterns.push_back(held.pattern);
    info.connected_at = record.connected_at;
    info.close = [weak = core_, from = shard, id = record.id] {
      if (const auto held = weak.lock()) held->close_connection(from, id);
    };
    infos.push_back(std::move(info));
  }
  return infos;
}

}  // namespace pgtide
