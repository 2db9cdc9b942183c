#pragma once
#include <string>

#include "pgtide/config.hpp"

namespace pgtide {

// Where the configuration says that the bridge listens, as this machine reaches it: "ws://.../path"
// for clients, "http://..." without a path for operators.
std::string client_url(const Config& config);
std::string operator_url(const Config& config);

}  // namespace pgtide
