#pragma once
#include <vector>

#include "model/embedded_file.hpp"

namespace pgtide {

// src/cli/demo_page/*: the parts of the demo's page, by name.
const std::vector<EmbeddedFile>& page_files();

// rules.yaml: the demo's rules. One file.
const std::vector<EmbeddedFile>& sample_rules_files();

}  // namespace pgtide
