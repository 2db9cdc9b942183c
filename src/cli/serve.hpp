#pragma once
#include <functional>
#include <vector>

#include "bridge/core.hpp"
#include "cli/signals.hpp"
#include "pgtide/result.hpp"

namespace pgtide {

// Starts it, with the allocator set up for it.
Result<void> start(BridgeCore& bridge);

// auth.api_keys as the configuration file has them now; or why it cannot be used.
using ReadApiKeys = std::function<Result<std::vector<Config::ApiKey>>()>;

// Serves until SIGINT or SIGTERM, then drains; a second one ends the program at once. SIGHUP loads
// the rules anew, and the API keys where there is something to read them by: every five seconds,
// where that failed, until it does not.
void serve(BridgeCore& bridge, const Signals& signals, const ReadApiKeys& read_api_keys = {});

// Prints why the bridge did not start. Wrong configuration is exit code 2, what fails at run time
// (a port that is taken) is 1.
int report_start_fault(const Error& error);

}  // namespace pgtide
