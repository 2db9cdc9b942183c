#pragma once
#include <string>

#include "pgtide/result.hpp"

namespace pgtide {

// A file that a person has written, up to a little more than any of ours may hold: who reads it
// finds that it is too long, and nobody reads /dev/zero for ever. Errors: not_found; denied with
// the system's reason, a directory's too.
Result<std::string> read_text_file(const std::string& path);

}  // namespace pgtide
