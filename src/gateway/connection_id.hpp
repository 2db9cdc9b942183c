#pragma once
#include <string>

namespace pgtide {

// A UUID (RFC 4122, version 4) of the system's randomness: whoever knows one may not guess others.
std::string make_connection_id();

}  // namespace pgtide
