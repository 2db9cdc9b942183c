#include "config/case_file.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "config/user_text.hpp"
#include "config/yaml_json.hpp"
#include "model/wording.hpp"

// What cannot be true of a case at once (a delete with a new row, columns of an event that does not
// come) is a fault of the file and not a failed case: a case that cannot fail as it was meant would
// be green for ever.
namespace pgtide {
namespace {

using Kind = YamlNode::Kind;

const std::vector<std::string> file_keys{"version", "cases"};
const std::vector<std::string> case_keys{"name", "user",       "pattern", "action", "row",
                                         "old",  "collection", "filter",  "expect", "columns"};
const std::vector<std::string> case_actions{"create", "update", "delete", "custom"};
const std::vector<std::string> expectations{"denied", "nothing", "create",
                                            "update", "delete",  "custom"};

Action action_of(std::string_view word) {
  if (word == "update") return Action::update;
  if (word == "delete") return Action::delete_;
  return word == "custom" ? Action::custom : Action::create;
}

bool is_text(const YamlNode& node) {
  return node.kind == Kind::scalar && !node.text.empty();
}

class CaseReader {
 public:
  explicit CaseReader(std::vector<FileFault>& faults) : faults_(faults) {}

  RuleCase read(const YamlNode& node) {
    made_.place = node.place;
    if (node.kind != Kind::map) {
      fault(node.place, "a case is a map with the keys name, pattern and expect, and others");
      return {};
    }
    entries_ = &node.entries;
    for (const YamlEntry& entry : node.entries) {
      const auto known = std::find(case_keys.begin(), case_keys.end(), entry.key);
      if (known == case_keys.end()) {
        fault(entry.place, "unknown key " + quoted(entry.key) + did_you_mean(entry.key, case_keys));
      }
    }
    demand_keys();
    made_.name = read_text("name");
    if (const YamlEntry* user = find("user")) made_.user = read_user(user->value, faults_);
    read_pattern();
    read_change();
    read_expected();
    return std::move(made_);
  }

 private:
  const YamlEntry* find(std::string_view key) const {
    const auto found = std::find_if(entries_->begin(), entries_->end(),
                                    [key](const YamlEntry& entry) { return entry.key == key; });
    return found != entries_->end() ? &*found : nullptr;
  }

  void demand_keys() {
    std::string missing;
    for (const char* key : {"name", "pattern", "expect"}) {
      if (find(key) == nullptr) missing += (missing.empty() ? "" : ", ") + quoted(key);
    }
    if (!missing.empty()) fault(made_.place, "the case has no " + missing);
  }

  // "" where it is not there.
  std::string read_text(const std::string& key) {
    const YamlEntry* entry = find(key);
    if (entry == nullptr) return {};
    if (is_text(entry->value)) return entry->value.text;
    fault(place_of(*entry), key + " must be a text");
    return {};
  }

  // One of `words`, or "" with a fault.
  std::string read_word(const std::string& key, const std::vector<std::string>& words) {
    std::string text = read_text(key);
    if (text.empty() || std::find(words.begin(), words.end(), text) != words.end()) return text;
    std::string all;
    for (const std::string& word : words) all += (all.empty() ? "" : ", ") + word;
    fault(find(key)->value.place, key + " must be one of " + all + "; not " + quoted(text));
    return {};
  }

  void read_pattern() {
    const std::string text = read_text("pattern");
    const std::string named = read_text("collection");
    if (text.empty()) return;
    const auto pattern = parse_pattern(text);
    if (!pattern) {
      fault(find("pattern")->value.place, "pattern: " + pattern.error().message);
      return;
    }
    made_.pattern = *pattern;
    made_.collection = named.empty() ? pattern->collection : named;
    if (pattern->kind != Pattern::Kind::everything && made_.collection != pattern->collection) {
      fault(find("collection")->value.place,
            "the pattern is of another collection; leave `collection` out");
    }
    if (!find("filter")) return;
    made_.filter = read_text("filter");
  }

  void read_change() {
    const std::string word = read_word("action", case_actions);
    made_.row = read_row("row");
    made_.old = read_row("old");
    const bool changes_nothing = !made_.has_change() && word.empty();
    if (changes_nothing) return;
    made_.action = action_of(word);
    const bool has_old = made_.action == Action::update || made_.action == Action::delete_;
    const bool has_new = made_.action != Action::delete_;
    const std::string what(to_string(made_.action));
    demand("row", has_new, what);
    demand("old", has_old, what);
    if (made_.pattern.kind == Pattern::Kind::everything && made_.collection.empty() &&
        find("pattern") != nullptr) {
      fault(made_.place, "of which collection is the row? * does not say; write `collection: ...`");
    }
  }

  // `key` is there exactly where the action has it.
  void demand(const std::string& key, bool wanted, const std::string& action) {
    const YamlEntry* entry = find(key);
    if (wanted && entry == nullptr) {
      fault(made_.place, "the action " + action + " needs " + quoted(key));
    } else if (!wanted && entry != nullptr) {
      const std::string other = key == "row" ? "old" : "row";
      fault(entry->place, "the action " + action + " has no " + quoted(key) + ", only " +
                              quoted(other) + (find("action") ? "" : "; write `action: update`"));
    }
  }

  std::optional<CaseRow> read_row(const std::string& key) {
    const YamlEntry* entry = find(key);
    if (entry == nullptr) return std::nullopt;
    CaseRow row{.place = place_of(*entry)};
    if (entry->value.kind != Kind::map) {
      fault(row.place, key + " must be a map of columns, such as {id: 1, title: x}");
      return row;
    }
    for (const YamlEntry& column : entry->value.entries) {
      row.columns.push_back(
          {column.key, to_json(column.value, faults_), column.place, place_of(column)});
    }
    return row;
  }

  void read_expected() {
    made_.expected = read_word("expect", expectations);
    const bool comes = made_.expected != "denied" && made_.expected != "nothing";
    if (!made_.expected.empty() && made_.expected != "denied" && !made_.has_change()) {
      fault(find("expect")->value.place,
            "nothing changes in this case: write `row`, for an update `old` too, for a delete "
            "`old` alone");
    }
    const YamlEntry* entry = find("columns");
    if (entry == nullptr) return;
    if (!comes) fault(entry->place, "`columns` where nothing is expected to come; leave it out");
    std::vector<std::string> columns;
    if (entry->value.kind != Kind::list) {
      fault(place_of(*entry), "columns must be a list, such as [id, title]");
      return;
    }
    for (const YamlNode& item : entry->value.items) {
      if (!is_text(item)) fault(item.place, "columns: a column's name is missing here");
      columns.push_back(item.text);
    }
    std::sort(columns.begin(), columns.end());
    made_.columns = std::move(columns);
  }

  void fault(SourcePlace place, std::string message) {
    faults_.push_back({place.line, place.column, std::move(message)});
  }

  std::vector<FileFault>& faults_;
  const std::vector<YamlEntry>* entries_ = nullptr;
  RuleCase made_{};
};

class CaseFileReader {
 public:
  void read(const YamlNode& root) {
    if (root.kind != Kind::map) {
      fault(root.place, "the file must hold keys: 'version: 1' and 'cases:'");
      return;
    }
    bool versioned = false;
    bool listed = false;
    for (const YamlEntry& entry : root.entries) {
      versioned = versioned || entry.key == "version";
      listed = listed || entry.key == "cases";
      read_key(entry);
    }
    if (!versioned) fault({}, "'version: 1' is missing");
    if (!listed) fault({}, "'cases:' is missing");
  }

  std::vector<RuleCase> take_cases() { return std::move(cases_); }
  std::vector<FileFault> take_faults() { return std::move(faults_); }

 private:
  void read_key(const YamlEntry& entry) {
    if (entry.key == "version") {
      const bool one = entry.value.kind == Kind::scalar && entry.value.text == "1";
      if (!one) fault(place_of(entry), "version must be 1, the only one there is");
    } else if (entry.key != "cases") {
      fault(entry.place, "unknown key " + quoted(entry.key) + did_you_mean(entry.key, file_keys));
    } else if (entry.value.kind != Kind::list || entry.value.items.empty()) {
      fault(place_of(entry), "cases must be a list of at least one case");
    } else {
      for (const YamlNode& item : entry.value.items) {
        cases_.push_back(CaseReader(faults_).read(item));
      }
    }
  }

  void fault(SourcePlace place, std::string message) {
    faults_.push_back({place.line, place.column, std::move(message)});
  }

  std::vector<RuleCase> cases_{};
  std::vector<FileFault> faults_{};
};

}  // namespace

std::variant<std::vector<RuleCase>, std::vector<FileFault>> parse_cases(std::string_view text) {
  YamlText yaml = parse_yaml(text);
  CaseFileReader reader;
  if (yaml.complete) reader.read(yaml.root);
  std::vector<FileFault> faults = join_faults(std::move(yaml.faults), reader.take_faults());
  if (!faults.empty()) return faults;
  return reader.take_cases();
}

}  // namespace pgtide
