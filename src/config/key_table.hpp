#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config_file.hpp"
#include "config/yaml_tree.hpp"

namespace pgtide {

// Why a value was refused: the end of a sentence that begins with its key ("must be ..."), and the
// place of the fault where it lies inside the value.
struct Refusal {
  std::string why{};
  std::optional<SourcePlace> at{};  // none: the whole value
};

// One row of the table that drives file, flags, environment and documentation.
struct KeyEntry {
  ConfigKey key{};
  std::function<std::optional<Refusal>(Config&, const YamlNode&)> apply{};
  std::function<std::string(const Config&)> write{};  // the present value, as the file has it
};

// In the order of config.yaml.
const std::vector<KeyEntry>& key_table();

// The entry of `path`, or null.
const KeyEntry* find_key(std::string_view path);

}  // namespace pgtide
