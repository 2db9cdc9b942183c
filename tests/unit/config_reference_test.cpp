#include <doctest/doctest.h>

#include <sstream>
#include <string>

#include "config/config_file.hpp"
#include "support/text.hpp"

using namespace pgtide;

namespace {

std::string read(const std::string& name) {
  return test::file_text(PGTIDE_SOURCE_DIR "/" + name);
}

// The comments of a YAML text as running words.
std::string comments_of(const std::string& yaml) {
  std::istringstream words(yaml);
  std::string out, word;
  while (words >> word) {
    if (word != "#") out += word + " ";
  }
  return out;
}

// Another value than the default, of each key.
Config other_config() {
  Config config;
  config.auth.api_keys = {{.name = "backend"}};
  for (const ConfigKey& key : config_keys()) {
    bool changed = false;
    if (key.flag.empty()) continue;
    for (const char* value : {"true", "false", "RS256", "poll", "json", "error", "/other", "h:1",
                              "::1", "https://a.example", "2h", "1h", "3", "100000", "9999999"}) {
      Config tried = config;
      if (!apply_value(tried, key.path, value)) continue;
      if (value_text(tried, key.path) == key.fallback) continue;
      config = tried;
      changed = true;
      break;
    }
    CAPTURE(key.path);
    REQUIRE(changed);
  }
  return config;
}

}  // namespace

TEST_CASE("config.yaml: names every key of this version, with its default") {
  Config config = other_config();
  const auto faults = apply_yaml(read("config.yaml"), config);
  REQUIRE(to_string("config.yaml", faults) == "");
  for (const ConfigKey& key : config_keys()) {
    CAPTURE(key.path);
    CHECK(value_text(config, key.path) == key.fallback);
  }
}

TEST_CASE("config.yaml: says of every key what it is, in the words of --help") {
  const std::string comments = comments_of(read("config.yaml"));
  std::size_t from = 0;
  for (const ConfigKey& key : config_keys()) {
    const std::size_t place = comments.find(key.sentence, from);
    CAPTURE(key.path);
    CHECK(place != std::string::npos);  // missing, or not in the table's order
    if (place != std::string::npos) from = place;
  }
}

TEST_CASE("docs/configuration.md: has a row for every key") {
  const std::string page = read("docs/configuration.md");
  for (const ConfigKey& key : config_keys()) {
    const std::string variable =
        key.environment.empty() ? "in the file only" : "`" + key.environment + "`";
    const std::string row = "| `" + key.path + "` | `" + key.fallback + "` | " + variable + " | " +
                            key.sentence + " |\n";
    CAPTURE(row);
    CHECK(page.find(row) != std::string::npos);
  }
}

TEST_CASE("rules.yaml: is valid, and opens what the demo shows") {
  const auto parsed = parse_rules(read("rules.yaml"), "rules.yaml");
  if (const auto* faults = std::get_if<1>(&parsed)) FAIL(to_string("rules.yaml", *faults));
  const Rules& rules = std::get<Rules>(parsed);
  CHECK(rules.all.kind == Audience::Kind::anyone);
  for (const char* name : {"posts", "comments", "vehicles", "notifications"}) {
    CAPTURE(name);
    REQUIRE(rules.collections.count(name) == 1);
    CHECK(rules.collections.at(name).subscribe.kind == Audience::Kind::anyone);
  }
}
