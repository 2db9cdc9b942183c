#pragma once
#include <vector>

#include "cli/demo.hpp"
#include "pgtide/config.hpp"

namespace pgtide {

// Sets `auth` up anew for the sample: its one secret is made here, of 32 random bytes, is printed
// nowhere and ends with the program. Returns as whom the page may show the sample, the anonymous
// first, with the tokens that go with it.
Result<std::vector<DemoViewer>> make_viewers(Config::Auth& auth);

}  // namespace pgtide
