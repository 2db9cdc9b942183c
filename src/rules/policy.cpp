#include "rules/policy.hpp"

#include <algorithm>
#include <utility>

// Binding asks, of each rule, whether the database is what its author believed it to be. Any doubt
// closes the collection and is a problem with a place and a mend, because the two other ways
// out are worse: "subscribed, then silence" where a table is not watched, and a column that leaks
// because `hide` has a typing error. One collection's fault closes that one only.
//
// What `hide` lets through is a list of names that were there when the rules were loaded, not "all
// but the hidden ones": of a column added later nobody has said yet whether it may be seen. The
// list is handed from policy to policy while the rules stay the same.
namespace pgtide {
namespace {

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The command that watches the rule's table under the rule's name.
std::string watch_command(const CollectionRule& rule) {
  constexpr std::string_view usual_schema = "public.";
  std::string table = rule.table;
  if (table.starts_with(usual_schema)) table.erase(0, usual_schema.size());
  const std::string own_name = rule.table.substr(rule.table.find('.') + 1);
  std::string command = "run: pgtide watch " + table;
  if (own_name != rule.name) command += " --as " + rule.name;
  return command;
}

// What of a rule cannot be kept without old rows; empty: nothing. (`hide`: an update of hidden
// columns alone could not be told from another, and its being sent would tell of it.)
std::string needs_old_rows(const CollectionRule& rule) {
  if (rule.old) return "`old`";
  if (rule.deleted_record_full) return "`deleted_record: full`";
  return rule.hide.empty() ? "" : "`hide`";
}

// Why the watched table of that name is not the rule's; empty where all is well.
std::string fault_of_watched(const CollectionRule& rule, const Collection& watched) {
  if (watched.table != rule.table) {
    return "the watched table is " + watched.table + ", not " + rule.table +
           "; write `table: " + watched.table + "`, or watch the other one";
  }
  const std::string needing = needs_old_rows(rule);
  if (!watched.old_rows && !needing.empty()) {
    return needing + " needs the old rows, and table " + watched.table +
           " is watched without them; take it out, or " + watch_command(rule);
  }
  return {};
}

// Why a name that is not watched cannot carry custom events either; empty where it can.
std::string fault_of_unwatched(const CollectionRule& rule, const Catalog& catalog) {
  for (const Collection& other : catalog.collections()) {
    if (other.table != rule.table) continue;
    return "table " + rule.table + " is watched as " + other.name + "; list that name, or " +
           watch_command(rule);
  }
  if (catalog.exists_unwatched(rule.table)) {
    return "table " + rule.table + " is not watched; " + watch_command(rule);
  }
  if (rule.table_given) {
    return "there is no table " + rule.table + "; correct the name, or leave `table` out where " +
           "the collection carries custom events only";
  }
  return {};
}

std::shared_ptr<const Projection> make_projection(const CollectionRule& rule,
                                                  const std::vector<std::string>& known_columns) {
  auto projection = std::make_shared<Projection>();
  projection->deleted_record_full = rule.deleted_record_full;
  projection->old = rule.old;
  projection->everything = rule.hide.empty();
  if (projection->everything) return projection;
  projection->hidden = rule.hide;
  std::sort(projection->hidden.begin(), projection->hidden.end());
  for (const std::string& column : known_columns) {
    if (!contains(rule.hide, column)) projection->columns.push_back(column);
  }
  std::sort(projection->columns.begin(), projection->columns.end());
  return projection;
}

}  // namespace

bool Projection::shows(std::string_view column) const {
  return everything || std::binary_search(columns.begin(), columns.end(), column);
}

bool Projection::shows_in_custom(std::string_view name) const {
  return !std::binary_search(hidden.begin(), hidden.end(), name);
}

bool Projection::shows_same(const Projection& other) const {
  return everything == other.everything && columns == other.columns && hidden == other.hidden;
}

Policy::Policy(std::shared_ptr<const Rules> rules, std::shared_ptr<const Catalog> catalog)
    : rules_(std::move(rules)), catalog_(std::move(catalog)) {}

std::shared_ptr<const Policy> Policy::bind(std::shared_ptr<const Rules> rules,
                                           std::shared_ptr<const Catalog> catalog,
                                           const Policy* previous) {
  std::shared_ptr<Policy> policy(new Policy(std::move(rules), std::move(catalog)));
  for (const auto& [name, rule] : policy->rules_->collections) {
    const Opened* before = nullptr;
    if (previous != nullptr) {
      const auto found = previous->opened_.find(name);
      if (found != previous->opened_.end()) before = &found->second;
    }
    policy->opened_.emplace(name, policy->open(rule, before));
  }
  return policy;
}

Policy::Opened Policy::open(const CollectionRule& rule, const Opened* before) {
  Opened opened;
  if (before != nullptr) opened.known_columns = before->known_columns;
  const Collection* watched = catalog_->find(rule.name);
  const std::string fault =
      watched != nullptr ? fault_of_watched(rule, *watched) : fault_of_unwatched(rule, *catalog_);
  if (!fault.empty()) {
    report(rule.place, rule, fault);
    return opened;
  }
  if (watched != nullptr) {
    if (opened.known_columns.empty()) opened.known_columns = watched->columns;
    const std::size_t problems_before = problems_.size();
    check_hide(rule, *watched);
    if (problems_.size() != problems_before) return opened;
  }
  opened.projection = make_projection(rule, opened.known_columns);
  return opened;
}

void Policy::check_hide(const CollectionRule& rule, const Collection& watched) {
  for (std::size_t i = 0; i < rule.hide.size(); ++i) {
    const std::string& column = rule.hide[i];
    const SourcePlace place = i < rule.hide_places.size() ? rule.hide_places[i] : rule.place;
    if (contains(watched.key, column)) {
      report(place, rule, "the key column " + column + " cannot be hidden; take it out of `hide`");
    } else if (!contains(watched.columns, column)) {
      report(place, rule,
             "table " + watched.table + " has no column " + column +
                 "; correct its name in `hide`, or take it out");
    }
  }
}

void Policy::report(SourcePlace place, const CollectionRule& rule, const std::string& what) {
  problems_.push_back(rules_->file + ":" + std::to_string(place.line) + ":" +
                      std::to_string(place.column) + ": " + rule.name + ": " + what);
}

Policy::Verdict Policy::may_subscribe(const Principal*, const Pattern& pattern) const {
  if (pattern.kind == Pattern::Kind::everything) {
    return rules_->all_public ? Verdict::allowed : Verdict::denied;
  }
  const auto rule = rules_->collections.find(pattern.collection);
  if (rule == rules_->collections.end()) {
    const bool unknown = rules_->all_public && catalog_->find(pattern.collection) == nullptr;
    return unknown ? Verdict::unknown_collection : Verdict::denied;
  }
  const bool open = projection(pattern.collection) != nullptr;
  return open && rule->second.subscribe_public ? Verdict::allowed : Verdict::denied;
}

const Projection* Policy::projection(std::string_view collection) const {
  static const Projection whole{};
  const auto found = opened_.find(collection);
  if (found != opened_.end()) return found->second.projection.get();
  return catalog_->find(collection) != nullptr ? &whole : nullptr;
}

bool Policy::lists(std::string_view collection) const {
  return opened_.contains(collection);
}

}  // namespace pgtide
