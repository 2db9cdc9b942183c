#pragma once
#include <string>
#include <vector>

#include "config/yaml_tree.hpp"

namespace pgtide {

// A YAML value as JSON text. Plain scalars are what YAML 1.2's core schema (10.3.2) says: null,
// true, false, a number with all its digits, else a text; those in quotes are texts. The numbers
// that JSON has no word for, .inf and .nan, become the texts that PostgreSQL's to_json prints.
// Appends a fault where a number cannot be written in JSON.
std::string to_json(const YamlNode& node, std::vector<FileFault>& faults);

}  // namespace pgtide
