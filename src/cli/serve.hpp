#pragma once
#include "bridge/core.hpp"
#include "cli/signals.hpp"
#include "pgtide/result.hpp"

namespace pgtide {

// Starts it, with the allocator set up for it.
Result<void> start(BridgeCore& bridge);

// Serves until SIGINT or SIGTERM, then drains; a second one ends the program at once. SIGHUP loads
// the rules anew.
void serve(BridgeCore& bridge, const Signals& signals);

// Prints why the bridge did not start. Wrong configuration is exit code 2, what fails at run time
// (a port that is taken) is 1.
int report_start_fault(const Error& error);

}  // namespace pgtide
