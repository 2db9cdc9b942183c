#pragma once
#include <string>
#include <vector>

#include "cli/settings.hpp"

namespace pgtide {

// What is wrong with settings that only the bridge itself makes use of (keys, proxies, listeners,
// the port file), a line each, with its place. Looks at files; listens nowhere.
std::vector<std::string> find_bridge_faults(const Settings& settings);

}  // namespace pgtide
