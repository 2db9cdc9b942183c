#pragma once
#include <vector>

#include "config/key_table.hpp"

namespace pgtide {

// The part of the key table that says who connects: `auth`.
std::vector<KeyEntry> auth_keys();

}  // namespace pgtide
