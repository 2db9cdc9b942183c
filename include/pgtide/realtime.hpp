#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgtide/result.hpp"

namespace pgtide {

class Broadcaster;
class BridgeCore;

// Sends custom events to connected clients, from any program that can reach the database: durable
// and in order with the row changes (docs/protocol.md, "Custom events"). For an event inside
// your own transaction call `pgtide_api.broadcast` in SQL instead.
//
// Blocking; any thread may call. Errors: invalid (a name that is no collection name, data that is
// no JSON), too_large (past 1 MiB), denied (names the missing GRANT), unavailable (no database).
class Realtime {
 public:
  // `database_url`: a libpq URL or key=value string; empty: the PG* variables.
  explicit Realtime(std::string database_url);
  virtual ~Realtime();
  Realtime(Realtime&&) noexcept;
  Realtime& operator=(Realtime&&) noexcept;

  // To everyone subscribed to `<collection>.*` or `*`. Returns when it is committed.
  Result<void> broadcast(std::string_view collection, std::string_view json);
  // To every connection, subscribed or not.
  Result<void> broadcast_all(std::string_view json);

 private:
  std::unique_ptr<Broadcaster> broadcaster_;
};

// The user a connection speaks for.
struct ConnectionUser {
  std::string id{};
  std::vector<std::string> roles{};
};

// A connection as it was when get_connections() returned.
struct ConnectionInfo {
  std::string id{};  // a UUID
  std::optional<ConnectionUser> user{};
  std::string remote_address{};
  std::vector<std::string> patterns{};
  std::chrono::system_clock::time_point connected_at{};
  // Closes it with code 4403. Does nothing when it is gone already, or the bridge is.
  std::function<void()> close{};
};

// What an embedded Bridge gives: broadcasts, and its connections.
class BridgeRealtime : public Realtime {
 public:
  BridgeRealtime(std::string database_url, std::weak_ptr<BridgeCore> core);

  // Every connection of this bridge. Any thread but the bridge's own.
  std::vector<ConnectionInfo> get_connections() const;

 private:
  std::weak_ptr<BridgeCore> core_;
};

}  // namespace pgtide
