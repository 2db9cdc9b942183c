#pragma once
#include <vector>

#include "model/embedded_file.hpp"

namespace pgtide {

// sql/*.sql: what `install` runs, in order. The same texts run by `psql -f`.
const std::vector<EmbeddedFile>& sql_files();

}  // namespace pgtide
