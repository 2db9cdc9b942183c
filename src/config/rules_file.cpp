#include "config/rules_file.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "config/text_places.hpp"
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

const std::vector<std::string> audiences{"public", "authenticated"};

// A word of its own that is no variable and no constant: `public` misspelled, or a role's name.
bool is_bare_word(std::string_view text) {
  return is_collection_name(text) && text != "user" && text != "record" && text != "true" &&
         text != "false" && text != "null";
}

std::string mend_of_bare_word(std::string_view text) {
  const std::string near = did_you_mean(text, audiences);
  return near.empty() ? " is neither public nor authenticated; who has it as a role is \"'" +
                            std::string(text) + "' in user.roles\""
                      : near;
}

class RulesReader {
 public:
  RulesReader(std::string_view text, const std::string& file) : text_(text) { rules_.file = file; }

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
      rules_.all = read_audience(entry.value, place_of(entry), "all");
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
    if (!rule.table.empty()) rules_.collections.emplace(entry.key, std::move(rule));
  }

  void read_part(CollectionRule& rule, const YamlEntry& entry) {
    const std::string what = rule.name + "." + entry.key;
    if (entry.key == "subscribe") {
      rule.subscribe = read_audience(entry.value, place_of(entry), what);
    } else if (entry.key == "where") {
      rule.where = read_expression(entry.value, place_of(entry), what);
    } else if (entry.key == "table") {
      read_table(rule, entry, what);
    } else if (entry.key == "deleted_record") {
      rule.deleted_record_full = read_choice(entry, what, {"key", "full"});
    } else if (entry.key == "old") {
      rule.old = read_choice(entry, what, {"false", "true"});
    } else if (entry.key == "hide") {
      read_hide(rule, entry, what);
    } else if (entry.key == "show") {
      read_show(rule, entry, what);
    } else if (entry.key == "snapshot") {
      fault(entry.place, what + ": not in this version");
    } else {
      fault(entry.place, "unknown key " + quoted(what) + did_you_mean(entry.key, collection_keys));
    }
  }

  Audience read_audience(const YamlNode& value, SourcePlace place, const std::string& what) {
    Audience audience;
    audience.place = place;
    const std::string_view text = value.kind == Kind::scalar ? value.text : std::string_view{};
    if (text == "public") {
      audience.kind = Audience::Kind::anyone;
    } else if (text == "authenticated") {
      audience.kind = Audience::Kind::authenticated;
    } else if (is_bare_word(text)) {
      fault(place, what + ": " + quoted(text) + mend_of_bare_word(text));
    } else if (text.empty()) {
      fault(place, what + " must be public, authenticated or an expression over user" +
                       (what == "all" ? ", or be left out" : ""));
    } else if (auto rule = read_expression(value, place, what)) {
      audience.kind = Audience::Kind::by_rule;
      audience.rule = std::move(*rule);
      report(audience.rule.expression->check({.user = true}), audience.rule, what);
    }
    return audience;
  }

  std::optional<RuleExpression> read_expression(const YamlNode& value, SourcePlace place,
                                                const std::string& what) {
    if (value.kind != Kind::scalar) {
      fault(place, what + " must be an expression; one that begins with a quote, a bracket or ! is "
                          "written between double quotes");
      return std::nullopt;
    }
    RuleExpression rule;
    rule.places = places_of(text_, value);
    auto parsed = Expression::parse(value.text);
    if (const auto* faults = std::get_if<1>(&parsed)) {
      report(*faults, rule, what);
      return std::nullopt;
    }
    rule.expression = std::move(std::get<0>(parsed));
    return rule;
  }

  void report(const std::vector<ExpressionFault>& faults, const RuleExpression& rule,
              const std::string& what) {
    for (const ExpressionFault& found : faults) {
      fault(rule.place_of(found.offset), what + ": " + found.message);
    }
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
      rule.table.clear();
      return;
    }
    rule.table = text;
    rule.table_given = true;
  }

  // A list of columns that nobody sees, or a map of column to who sees it.
  void read_hide(CollectionRule& rule, const YamlEntry& entry, const std::string& what) {
    const YamlNode& value = entry.value;
    if (value.kind == Kind::map && value.entries.size() <= columns_max) {
      for (const YamlEntry& column : value.entries) {
        const SourcePlace place = place_of(column);
        rule.hide.push_back({column.key, column.place,
                             read_audience(column.value, place, what + "." + column.key)});
      }
    } else {
      for (ShownColumn& column : read_columns(entry, what)) {
        rule.hide.push_back({std::move(column.name), column.place, {}});
      }
    }
    refuse_both(rule, entry);
  }

  void read_show(CollectionRule& rule, const YamlEntry& entry, const std::string& what) {
    rule.show = read_columns(entry, what);
    refuse_both(rule, entry);
  }

  void refuse_both(const CollectionRule& rule, const YamlEntry& entry) {
    if (rule.hide.empty() || !rule.show) return;
    fault(entry.place, rule.name + ": `hide` and `show` together; keep one of them");
  }

  std::vector<ShownColumn> read_columns(const YamlEntry& entry, const std::string& what) {
    const YamlNode& value = entry.value;
    std::vector<ShownColumn> columns;
    if (value.kind != Kind::list) {
      const bool may_be_map = entry.key == "hide";
      fault(place_of(entry), what + " must be a list of columns, such as [email]" +
                                 (may_be_map ? ", or a map of column to who sees it" : ""));
    } else if (value.items.size() > columns_max) {
      fault(value.place, what + " has more columns than a table can have");
    } else {
      for (const YamlNode& item : value.items) read_column(columns, item, what);
    }
    return columns;
  }

  void read_column(std::vector<ShownColumn>& columns, const YamlNode& item,
                   const std::string& what) {
    const auto same = [&item](const ShownColumn& column) { return column.name == item.text; };
    if (item.kind != Kind::scalar || item.text.empty()) {
      fault(item.place, what + ": a column's name is missing here");
    } else if (std::any_of(columns.begin(), columns.end(), same)) {
      fault(item.place, what + ": " + quoted(item.text) + " stands here for the second time");
    } else {
      columns.push_back({item.text, item.place});
    }
  }

  void fault(SourcePlace place, std::string message) {
    faults_.push_back({place.line, place.column, std::move(message)});
  }

  std::string_view text_;
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
  RulesDraft draft = draft_rules(text, file);
  if (!draft.faults.empty()) return std::move(draft.faults);
  return std::move(draft.rules);
}

RulesDraft draft_rules(std::string_view text, const std::string& file) {
  YamlText yaml = parse_yaml(text);
  RulesReader reader(text, file);
  if (yaml.complete) reader.read(yaml.root);
  return {reader.take_rules(), join_faults(std::move(yaml.faults), reader.take_faults())};
}

}  // namespace pgtide
