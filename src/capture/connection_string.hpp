#pragma once
#include <string>

namespace pgtide {

// The key=value string that libpq is given: `url` (a libpq URL or key=value string; empty:
// DATABASE_URL, else libpq's own PG* variables) with our defaults for what it leaves out, so that a
// dead network is noticed within some fifteen seconds. Throws CaptureFault (invalid) where `url`
// is none.
std::string make_connection_string(const std::string& url);

}  // namespace pgtide
