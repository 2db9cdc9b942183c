#pragma once
#include <memory>
#include <string>

#include "pgtide/config.hpp"
#include "pgtide/realtime.hpp"
#include "pgtide/result.hpp"

namespace pgtide {

class BridgeCore;

// The bridge, for programs that embed it: reads the changes of a database that has pgtide
// installed, and serves WebSocket subscribers, on threads of its own.
//
//   pgtide::Config config;
//   config.database.url = "postgresql://...";
//   pgtide::Bridge bridge(config);
//   if (auto started = bridge.start(); !started) ...
//   bridge.realtime().broadcast("notifications", R"({"message":"Hello"})");
//   bridge.stop();
//
// start() and stop() are called from one thread. The database may be away: the bridge goes on
// trying, refuses WebSockets with 503 until it was there once, and keeps those it has.
class Bridge {
 public:
  explicit Bridge(Config config);
  ~Bridge();  // stops without draining, if stop() was not called
  Bridge(const Bridge&) = delete;
  Bridge& operator=(const Bridge&) = delete;

  // Reads the rules, listens, starts the threads. Errors: invalid (configuration, rules: all
  // faults, a line each), conflict (the port is taken).
  Result<void> start();
  // Drains: accepts no one, sends what is queued, closes each connection with 1001; 10 s at most.
  void stop();

  // Loads the rules file anew, all or nothing: on an error the old rules stay.
  Result<void> reload_rules();

  // "127.0.0.1:8080": where it listens, once started.
  std::string address() const;
  // Where the operator's HTTP answers; empty: at the same address.
  std::string admin_address() const;
  BridgeRealtime& realtime();

 private:
  std::shared_ptr<BridgeCore> core_;
  std::unique_ptr<BridgeRealtime> realtime_;
};

}  // namespace pgtide
