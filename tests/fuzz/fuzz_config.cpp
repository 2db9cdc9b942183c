#include "config/config_file.hpp"
#include "fuzz/fuzz.hpp"

namespace pgtide::test {

void fuzz_config(std::string_view text) {
  Config config;
  const auto faults = apply_yaml(text, config);
  for (const FileFault& fault : faults) {
    PGTIDE_ASSERT(!fault.message.empty() && fault.line >= 0 && fault.column >= 0);
  }
  const Config untouched;
  for (const ConfigKey& key : config_keys()) {
    const std::string value = value_text(config, key.path);
    if (!faults.empty()) PGTIDE_ASSERT(value == value_text(untouched, key.path));
    Config other;
    (void)apply_value(other, key.path, std::string(text));
  }
  contradictions(config);
  if (const auto duration = parse_duration(text)) {
    PGTIDE_ASSERT(*parse_duration(to_text(*duration)) == *duration);
  }
}

}  // namespace pgtide::test
