#include "config/config_file.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "config/key_table.hpp"
#include "config/yaml_tree.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

// Keys of the documented whole that this version cannot honour: said so, instead of "unknown".
constexpr std::array<std::string_view, 5> later_keys{"server.tls",
                                                     "limits.snapshot_rows",
                                                     "limits.snapshots",
                                                     "resume.window_bytes",
                                                     "resume.replay_bytes"};

bool is_later(std::string_view path) {
  return std::any_of(later_keys.begin(), later_keys.end(), [&](std::string_view later) {
    const bool inside = path.size() > later.size() && path[later.size()] == '.';
    return path.substr(0, later.size()) == later && (inside || path.size() == later.size());
  });
}

// Is `path` inside `section`? "auth.jwt.leeway" is inside "auth" and "auth.jwt".
bool is_inside(std::string_view path, std::string_view section) {
  return !section.empty() && path.size() > section.size() && path[section.size()] == '.' &&
         path.starts_with(section);
}

bool is_section(std::string_view name) {
  const auto& table = key_table();
  return std::any_of(table.begin(), table.end(), [&](const KeyEntry& entry) {
    return is_inside(entry.key.path, name);
  });
}

std::vector<std::string> known_names() {
  std::vector<std::string> names;
  for (const KeyEntry& entry : key_table()) {
    const std::string& path = entry.key.path;
    std::size_t dot = path.find('.');
    for (; dot != std::string::npos; dot = path.find('.', dot + 1)) {
      const std::string section = path.substr(0, dot);
      if (std::find(names.begin(), names.end(), section) == names.end()) names.push_back(section);
    }
  }
  for (const KeyEntry& entry : key_table()) names.push_back(entry.key.path);
  return names;
}

// A right key in the wrong section is nearer than any misspelling.
std::string unknown_key(const std::string& path) {
  const std::string leaf = path.substr(path.rfind('.') + 1);
  for (const KeyEntry& entry : key_table()) {
    const std::string& known = entry.key.path;
    const std::size_t dot = known.rfind('.');
    if (dot != std::string::npos && known.substr(dot + 1) == leaf) {
      return "unknown key " + quoted(path) + "; did you mean " + known + "?";
    }
  }
  return "unknown key " + quoted(path) + did_you_mean(path, known_names());
}

class ConfigReader {
 public:
  explicit ConfigReader(Config& config) : config_(config) {}

  void read(const YamlNode& root) {
    if (root.kind == YamlNode::Kind::null) return;
    if (root.kind != YamlNode::Kind::map) {
      fault(root.place, "the file must hold keys, such as 'database:'");
      return;
    }
    read_entries(root, "");
  }

  std::vector<FileFault> take_faults() { return std::move(faults_); }
  std::map<std::string, SourcePlace> take_places() { return std::move(places_); }

 private:
  void read_entries(const YamlNode& map, const std::string& prefix) {
    for (const YamlEntry& entry : map.entries) {
      const std::string path = prefix + entry.key;
      if (is_section(path)) {
        read_section(path, entry);
      } else {
        read_key(path, entry);
      }
    }
  }

  // A section without a value is one whose keys are all commented out.
  void read_section(const std::string& path, const YamlEntry& section) {
    if (section.value.kind == YamlNode::Kind::null) return;
    if (section.value.kind != YamlNode::Kind::map) {
      fault(section.value.place,
            path + " must hold keys, such as '" + first_key_of(path) + ":', below it");
      return;
    }
    read_entries(section.value, path + ".");
  }

  void read_key(const std::string& path, const YamlEntry& entry) {
    if (is_later(path)) {
      fault(entry.place, path + ": not in this version; remove it");
      return;
    }
    const KeyEntry* known = find_key(path);
    if (known == nullptr) {
      fault(entry.place, unknown_key(path));
      return;
    }
    places_[path] = place_of(entry);
    if (const auto refusal = known->apply(config_, entry.value)) {
      fault(refusal->at.value_or(place_of(entry)), path + " " + refusal->why);
    }
  }

  static std::string first_key_of(const std::string& section) {
    for (const KeyEntry& entry : key_table()) {
      if (is_inside(entry.key.path, section)) return entry.key.path.substr(section.size() + 1);
    }
    return {};
  }

  void fault(SourcePlace place, std::string message) {
    faults_.push_back({place.line, place.column, std::move(message)});
  }

  Config& config_;
  std::vector<FileFault> faults_{};
  std::map<std::string, SourcePlace> places_{};
};

// "a, null" as YAML that has two words in it: on a command line nobody means no value by it.
std::string with_words(std::string_view list) {
  std::string yaml;
  for (;;) {
    const std::string_view item = list.substr(0, list.find(','));
    const auto start = std::min(item.find_first_not_of(' '), item.size());
    const auto word = item.substr(start, item.find_last_not_of(' ') + 1 - start);
    yaml += word == "null" ? "\"null\"" : std::string(item);
    if (item.size() == list.size()) return yaml;
    yaml += ',';
    list.remove_prefix(item.size() + 1);
  }
}

// A list comes as YAML's "[a, b]" or as "a, b"; what is neither is left to the entry to refuse.
YamlNode list_of(const std::string& value) {
  const bool bracketed = !value.empty() && value.front() == '[';
  YamlText yaml = parse_yaml(bracketed ? value : "[" + with_words(value) + "]");
  if (yaml.faults.empty()) return std::move(yaml.root);
  return make_node(YamlNode::Kind::scalar, {}, value);
}

}  // namespace

const std::vector<ConfigKey>& config_keys() {
  static const std::vector<ConfigKey> keys = [] {
    std::vector<ConfigKey> all;
    for (const KeyEntry& entry : key_table()) all.push_back(entry.key);
    return all;
  }();
  return keys;
}

ConfigFile read_config_file(std::string_view text, const Config& over) {
  YamlText yaml = parse_yaml(text);
  ConfigFile file{.config = over};
  ConfigReader reader(file.config);
  if (yaml.complete) reader.read(yaml.root);
  file.faults = join_faults(std::move(yaml.faults), reader.take_faults());
  file.places = reader.take_places();
  return file;
}

std::vector<FileFault> apply_yaml(std::string_view text, Config& config) {
  ConfigFile file = read_config_file(text, config);
  if (file.faults.empty()) config = std::move(file.config);
  return std::move(file.faults);
}

Result<void> apply_value(Config& config, const std::string& path, const std::string& value) {
  const auto refused = [&](const std::string& message) {
    return Error{ErrorKind::invalid, message, path};
  };
  if (is_later(path)) return refused("not in this version");
  const KeyEntry* known = find_key(path);
  if (known == nullptr) return refused(unknown_key(path));
  if (known->key.flag.empty()) return refused("is set in config.yaml only");
  const bool list = known->key.fallback.front() == '[';
  const YamlNode node = list ? list_of(value) : make_node(YamlNode::Kind::scalar, {}, value);
  if (const auto refusal = known->apply(config, node)) return refused(refusal->why);
  return {};
}

std::string value_text(const Config& config, std::string_view path) {
  const KeyEntry* known = find_key(path);
  PGTIDE_ASSERT(known != nullptr);
  return known->write(config);
}

std::vector<std::string> contradictions(const Config& config) {
  std::vector<std::string> found;
  if (config.limits.backlog_bytes < config.limits.event_bytes) {
    found.push_back(
        "limits.backlog_bytes must be at least limits.event_bytes: a reader could never be sent "
        "the largest event");
  }
  const auto& limits = config.limits;
  if (limits.memory_bytes != 0 && limits.memory_bytes < limits.backlog_bytes) {
    found.push_back(
        "limits.memory_bytes must be at least limits.backlog_bytes, or 0: not even one reader "
        "could be let wait for so much");
  }
  if (!config.auth.jwt.secret.empty() && !config.auth.jwt.secret_file.empty()) {
    found.push_back("auth.jwt.secret and auth.jwt.secret_file are both set: remove one of them");
  }
  return found;
}

}  // namespace pgtide
