#include "pgtide/bridge.hpp"

#include <utility>

#include "bridge/core.hpp"

namespace pgtide {

Bridge::Bridge(Config config)
    : core_(std::make_shared<BridgeCore>(std::move(config), make_postgres_source)),
      realtime_(std::make_unique<BridgeRealtime>(core_->config().database.url, core_)) {}

Bridge::~Bridge() = default;

Result<void> Bridge::start() { return core_->start(); }
void Bridge::stop() { core_->stop(); }
Result<void> Bridge::reload_rules() { return core_->reload_rules(); }
std::string Bridge::address() const { return core_->address(); }
std::string Bridge::admin_address() const { return core_->admin_address(); }
BridgeRealtime& Bridge::realtime() { return *realtime_; }

}  // namespace pgtide
