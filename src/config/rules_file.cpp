#include "config/rules_file.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "config/yaml_tree.hpp"
#include "model/pattern.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

using Kind = YamlNode::Kind;

constexpr std::size_t columns_max = 1'600;  // of a table: PostgreSQL's limit (appendix K)

const std::vector<std::string> top_keys{"version", "all", "collections", "default"};
const std::vector<std::string> collection_keys{"subscribe", "table", "hide", "deleted_record",
                                               "old",       "where", "show", "snapshot"};

bool is_word(std::string_view text) {
  return is_collection_name(text);
}

// A place that says something, also for a value that is not there.
SourcePlace place_of(const YamlEntry& entry) {
  return entry.value.kind == Kind::null ? entry.place : entry.value.place;
}

class RulesReader {
 public:
  explicit RulesReader(const std::string& file) { rules_.file = file; }

  void read(const YamlNode& root) {
    const bool keys = root.kind == Kind::map;
    if (!keys && root.kind != Kind::null) {
      fault(root.place, "the file must hold keys, the first of them 'version: 1'");
      return;
    }
    const auto named = [](const YamlEntry& entry) { return entry.key == "version"; };
    if (std::none_of(root.entries.begin(), root.entries.end(), named)) {
      fault({}, "'version: 1' is missing");
    }
    for (const YamlEntry& entry : root.entries) read_top(entry);
  }

  Rules take_rules() { return std::move(rules_); }
  std::vector<FileFault> take_faults() { return std::move(faults_); }

 private:
  void read_top(const YamlEntry& entry) {
    if (entry.key == "version") {
      const bool one = entry.value.kind == Kind::scalar && entry.value.text == "1";
      if (!one) fault(place_of(entry), "version must be 1, the only one there is");
    } else if (entry.key == "all") {
      rules_.all_public = read_who(entry, "all");
    } else if (entry.key == "default") {
      const bool deny = entry.value.kind == Kind::scalar && entry.value.text == "deny";
      if (!deny) fault(place_of(entry), "default must be deny, the only default");
    } else if (entry.key == "collections") {
      read_collections(entry);
    } else {
      fault(entry.place, "unknown key " + quoted(entry.key) + did_you_mean(entry.key, top_keys));
    }
  }

  void read_collections(const YamlEntry& entry) {
    if (entry.value.kind == Kind::null) return;
    if (entry.value.kind != Kind::map) {
      fault(entry.value.place, "collections must hold names of collections, such as 'posts:'");
      return;
    }
    for (const YamlEntry& collection : entry.value.entries) read_collection(collection);
  }

  void read_collection(const YamlEntry& entry) {
    if (!is_collection_name(entry.key)) {
      fault(entry.place,
            "a collection's name is a letter or _, then letters, digits and _, at "
            "most 63 of them; not " +
                quoted(entry.key));
      return;
    }
    CollectionRule rule;
    rule.name = entry.key;
    rule.table = "public." + entry.key;
    rule.place = entry.place;
    if (entry.value.kind == Kind::map) {
      for (const YamlEntry& part : entry.value.entries) read_part(rule, part);
    } else if (entry.value.kind != Kind::null) {
      fault(entry.value.place, entry.key + " must hold keys, such as 'subscribe: public'");
    }
    rules_.collections.emplace(entry.key, std::move(rule));
  }

  void read_part(CollectionRule& rule, const YamlEntry& entry) {
    const std::string what = rule.name + "." + entry.key;
    if (entry.key == "subscribe") {
      rule.subscribe_public = read_who(entry, what);
    } else if (entry.key == "table") {
      read_table(rule, entry, what);
    } else if (entry.key == "deleted_record") {
      rule.deleted_record_full = read_choice(entry, what, {"key", "full"});
    } else if (entry.key == "old") {
      rule.old = read_choice(entry, what, {"false", "true"});
    } else if (entry.key == "hide") {
      read_hide(rule, entry, what);
    } else if (entry.key == "where" || entry.key == "show" || entry.key == "snapshot") {
      fault(entry.place, what + ": not in this version");
    } else {
      fault(entry.place, "unknown key " + quoted(what) + did_you_mean(entry.key, collection_keys));
    }
  }

  // True for `public`, the one answer of this version.
  bool read_who(const YamlEntry& entry, const std::string& what) {
    const YamlNode& value = entry.value;
    if (value.kind != Kind::scalar) {
      fault(place_of(entry), what + " must be public" + (what == "all" ? ", or be left out" : ""));
      return false;
    }
    if (value.text == "public") return true;
    const bool later = value.text == "authenticated" || !is_word(value.text);
    const std::string hint = later ? "" : did_you_mean(value.text, {"public", "authenticated"});
    fault(value.place, what + ": " + quoted(value.text) +
                           (hint.empty() ? " is not in this version; only public is" : hint));
    return false;
  }

  // True for the second of two words.
  bool read_choice(const YamlEntry& entry, const std::string& what,
                   const std::array<std::string, 2>& words) {
    const YamlNode& value = entry.value;
    const bool scalar = value.kind == Kind::scalar && !value.quoted;
    if (scalar && value.text == words[1]) return true;
    if (!scalar || value.text != words[0]) {
      fault(place_of(entry), what + " must be " + words[0] + " or " + words[1]);
    }
    return false;
  }

  void read_table(CollectionRule& rule, const YamlEntry& entry, const std::string& what) {
    const YamlNode& value = entry.value;
    const std::string text = value.kind == Kind::scalar ? value.text : "";
    const std::size_t dot = text.find('.');
    if (dot == std::string::npos || dot == 0 || dot + 1 == text.size()) {
      fault(place_of(entry), what + " must be schema.table, such as public." + rule.name);
      return;
    }
    rule.table = text;
    rule.table_given = true;
  }

  void read_hide(CollectionRule& rule, const YamlEntry& entry, const std::string& what) {
    const YamlNode& value = entry.value;
    if (value.kind == Kind::map) {
      fault(value.place, what + ": a map of columns is not in this version; write [a, b]");
      return;
    }
    if (value.kind != Kind::list) {
      fault(place_of(entry), what + " must be a list of columns, such as [email]");
      return;
    }
    if (value.items.size() > columns_max) {
      fault(value.place, what + " has more columns than a table can have");
      return;
    }
    for (const YamlNode& item : value.items) read_hidden_column(rule, item, what);
  }

  void read_hidden_column(CollectionRule& rule, const YamlNode& item, const std::string& what) {
    if (item.kind != Kind::scalar || item.text.empty()) {
      fault(item.place, what + ": a column's name is missing here");
    } else if (std::find(rule.hide.begin(), rule.hide.end(), item.text) != rule.hide.end()) {
      fault(item.place, what + ": " + quoted(item.text) + " stands here for the second time");
    } else {
      rule.hide.push_back(item.text);
      rule.hide_places.push_back(item.place);
    }
  }

  void fault(SourcePlace place, std::string message) {
    faults_.push_back({place.line, place.column, std::move(message)});
  }

  Rules rules_{};
  std::vector<FileFault> faults_{};
};

}  // namespace

std::string to_string(std::string_view file, const std::vector<FileFault>& faults) {
  std::string out;
  for (const FileFault& fault : faults) {
    if (!out.empty()) out += '\n';
    out += file;
    if (fault.line > 0) {
      out += ':' + std::to_string(fault.line) + ':' + std::to_string(fault.column);
    }
    out += ": " + fault.message;
  }
  return out;
}

std::variant<Rules, std::vector<FileFault>> parse_rules(std::string_view text,
                                                        const std::string& file) {
  YamlText yaml = parse_yaml(text);
  RulesReader reader(file);
  if (yaml.complete) reader.read(yaml.root);
  std::vector<FileFault> faults = join_faults(std::move(yaml.faults), reader.take_faults());
  if (!faults.empty()) return faults;
  return reader.take_rules();
}

}  // namespace pgtide
