#pragma once
#include <vector>

#include "model/embedded_file.hpp"

namespace pgtide {

// src/cli/demo_page/*: the parts of the demo's page, by name.
const std::vector<EmbeddedFile>& page_files();

// demo_rules.yaml. One file.
const std::vector<EmbeddedFile>& demo_rules_files();

}  // namespace pgtide
