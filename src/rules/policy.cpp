#include "rules/policy.hpp"

#include <algorithm>
#include <utility>

#include "model/wording.hpp"

// Binding asks, of each rule, whether the database is what its author believed it to be. Any doubt
// closes the collection and is a problem with a place and a mend, because the two other ways
// out are worse: "subscribed, then silence" where a table is not watched, and a column that leaks
// because `hide` has a typing error. One collection's fault closes that one only.
//
// What `hide` and `show` let through is a list of names that were there when the rules were loaded,
// not "all but the hidden ones": of a column added later nobody has said yet whether it may be
// seen. The list is handed from policy to policy while the rules stay the same.
namespace pgtide {
namespace {

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The command that watches the rule's table under the rule's name.
std::string watch_command(const CollectionRule& rule) {
  const std::size_t dot = rule.table.find('.');
  const std::string schema = rule.table.substr(0, dot);
  const std::string own_name = rule.table.substr(dot + 1);
  const std::string table = sql_name(schema) + "." + sql_name(own_name);
  std::string command = "run: pgtide watch " + shell_word(table);
  if (own_name != rule.name) command += " --as " + shell_word(rule.name);
  return command;
}

// What of a rule cannot be kept without old rows; empty: nothing. (`hide` and `show`: an update of
// hidden columns alone could not be told from another, and its being sent would tell of it.)
std::string needs_old_rows(const CollectionRule& rule) {
  if (rule.where) return "`where`";
  if (rule.old) return "`old`";
  if (rule.deleted_record_full) return "`deleted_record: full`";
  if (rule.show) return "`show`";
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

// "; did you mean public.User?", of those that are watched.
std::string nearest_table(const std::string& table, const Catalog& catalog) {
  std::vector<std::string> known;
  for (const Collection& watched : catalog.collections()) known.push_back(watched.table);
  return did_you_mean(table, known);
}

// Why a name that is not watched cannot carry custom events either; empty where it can.
std::string fault_of_unwatched(const CollectionRule& rule, const Catalog& catalog) {
  for (const Collection& other : catalog.collections()) {
    if (other.table != rule.table) continue;
    std::string watch = watch_command(rule);
    if (watch.find(" --as ") == std::string::npos) watch += " --as " + rule.name;
    return "table " + rule.table + " is watched as " + other.name +
           ", and a table has one name; list that one, or " + watch;
  }
  if (catalog.exists_unwatched(rule.table)) {
    return "table " + rule.table + " is not watched; " + watch_command(rule);
  }
  if (rule.table_given) {
    return "there is no table " + rule.table + nearest_table(rule.table, catalog) +
           "; correct the name, or leave `table` out where the collection carries custom events "
           "only";
  }
  return {};
}

RecordShape make_shape(const Collection& watched) {
  RecordShape shape;
  for (std::size_t i = 0; i < watched.columns.size(); ++i) {
    shape.columns.emplace(watched.columns[i], watched.type_of(i));
  }
  return shape;
}

// Name and number; 0 where it is not known.
std::map<std::string, int> columns_of(const Collection& watched) {
  std::map<std::string, int> columns;
  for (std::size_t i = 0; i < watched.columns.size(); ++i) {
    columns.emplace(watched.columns[i], i < watched.numbers.size() ? watched.numbers[i] : 0);
  }
  return columns;
}

bool depends_on_user(const HiddenColumn& hidden) {
  return hidden.seen_by.kind != Audience::Kind::nobody;
}

// The columns that stay hidden from who has these grants.
std::vector<std::string> hidden_columns(const CollectionRule& rule, std::string_view grants) {
  std::vector<std::string> hidden;
  std::size_t next = 0;
  for (const HiddenColumn& column : rule.hide) {
    const bool granted = depends_on_user(column) && next < grants.size() && grants[next++] == '1';
    if (!granted) hidden.push_back(column.name);
  }
  std::sort(hidden.begin(), hidden.end());
  return hidden;
}

}  // namespace

Policy::Policy(std::shared_ptr<const Rules> rules, std::shared_ptr<const Catalog> catalog)
    : rules_(std::move(rules)), catalog_(std::move(catalog)) {
  for (const Collection& watched : catalog_->collections()) {
    shapes_.emplace(watched.name, make_shape(watched));
  }
}

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
    if (std::any_of(rule.hide.begin(), rule.hide.end(), depends_on_user)) {
      policy->granting_.push_back(name);
    }
  }
  return policy;
}

Policy::Opened Policy::open(const CollectionRule& rule, const Opened* before) {
  Opened opened{.rule = &rule};
  if (before != nullptr) opened.known_columns = before->known_columns;
  const Collection* watched = catalog_->find(rule.name);
  const std::string fault =
      watched != nullptr ? fault_of_watched(rule, *watched) : fault_of_unwatched(rule, *catalog_);
  if (!fault.empty()) {
    report(rule.place, rule, fault);
    return opened;
  }
  const std::size_t problems_before = problems_.size();
  if (watched != nullptr) check_renamed(opened, *watched);
  if (problems_.size() != problems_before) return opened;
  check_file(rule, watched);
  if (problems_.size() != problems_before) {
    file_is_at_fault_ = true;
    return opened;
  }
  if (watched != nullptr && opened.known_columns.empty()) {
    opened.known_columns = columns_of(*watched);
  }
  opened.open = true;
  opened.projection = project(opened, {});
  return opened;
}

// A name that is another column's now: what was hidden by the one would show under the other, until
// somebody has looked at the rules again.
void Policy::check_renamed(const Opened& opened, const Collection& watched) {
  const CollectionRule& rule = *opened.rule;
  if (!rule.narrows_columns() && !rule.where) return;
  for (const auto& named : columns_of(watched)) {
    const std::string& column = named.first;
    const int number = named.second;
    const auto known = std::find_if(opened.known_columns.begin(), opened.known_columns.end(),
                                    [&](const auto& each) { return each.second == number; });
    const bool taken = known != opened.known_columns.end() && known->first != column &&
                       opened.known_columns.contains(column);
    if (number == 0 || !taken) continue;
    report(rule.place, rule,
           "column " + column + " of table " + watched.table + " is the one that was " +
               known->first + " when the rules were loaded; look at them, and load them anew");
  }
}

void Policy::check_file(const CollectionRule& rule, const Collection* watched) {
  if (watched != nullptr) {
    for (const HiddenColumn& column : rule.hide) {
      if (contains(watched->key, column.name)) {
        report(column.place, rule,
               "the key column " + column.name + " cannot be hidden; take it out of `hide`");
      } else {
        check_column(rule, *watched, column.name, column.place);
      }
    }
    if (rule.show) {
      for (const ShownColumn& column : *rule.show) {
        check_column(rule, *watched, column.name, column.place);
      }
    }
  }
  if (rule.where) check_where(rule, watched);
}

void Policy::check_column(const CollectionRule& rule, const Collection& watched,
                          const std::string& column, SourcePlace place) {
  if (contains(watched.columns, column)) return;
  const std::string key = rule.show ? "show" : "hide";
  const std::string near = did_you_mean(column, watched.columns);
  report(place, rule,
         "table " + watched.table + " has no column " + column +
             (near.empty() ? "; correct its name in `" + key + "`, or take it out" : near));
}

void Policy::check_where(const CollectionRule& rule, const Collection* watched) {
  static const RecordShape open_shape{.columns = {}, .open = true};
  const RecordShape& shape = watched != nullptr ? *this->shape(rule.name) : open_shape;
  for (const auto& fault : rule.where->expression->check({.user = true, .record = &shape})) {
    report(rule.where->place_of(fault.offset), rule, "where: " + fault.message);
  }
}

void Policy::report(SourcePlace place, const CollectionRule& rule, const std::string& what) {
  problems_.push_back(rules_->file + ":" + std::to_string(place.line) + ":" +
                      std::to_string(place.column) + ": " + rule.name + ": " + what);
}

Policy::Verdict Policy::may_subscribe(const Principal* who, const Pattern& pattern) const {
  if (pattern.kind == Pattern::Kind::everything) {
    return may_everything(who) ? Verdict::allowed : Verdict::denied;
  }
  const auto rule = rules_->collections.find(pattern.collection);
  if (rule == rules_->collections.end()) {
    const bool unknown = catalog_->find(pattern.collection) == nullptr && may_everything(who);
    return unknown ? Verdict::unknown_collection : Verdict::denied;
  }
  const bool open = find_open(pattern.collection) != nullptr;
  return open && rule->second.subscribe.admits(who) ? Verdict::allowed : Verdict::denied;
}

std::shared_ptr<const Predicate> Policy::rows(const Principal* who,
                                              std::string_view collection) const {
  const Opened* opened = find_open(collection);
  if (opened == nullptr || !opened->rule->where) return nullptr;
  auto rows = Predicate::specialize(*opened->rule->where->expression, who);
  return rows->outcome() == Predicate::Outcome::always ? nullptr : rows;
}

std::string Policy::grants(const Principal* who, std::string_view collection) const {
  std::string grants;
  const Opened* opened = find_open(collection);
  if (opened == nullptr) return grants;
  for (const HiddenColumn& column : opened->rule->hide) {
    if (depends_on_user(column)) grants += column.seen_by.admits(who) ? '1' : '0';
  }
  return grants;
}

std::shared_ptr<const Projection> Policy::projection(std::string_view collection,
                                                     std::string_view grants) const {
  static const auto whole = std::make_shared<const Projection>();
  const auto found = opened_.find(collection);
  if (found == opened_.end()) return catalog_->find(collection) != nullptr ? whole : nullptr;
  const bool granted = grants.find('1') != std::string_view::npos;
  return granted && found->second.open ? project(found->second, grants) : found->second.projection;
}

std::shared_ptr<const Projection> Policy::project(const Opened& opened,
                                                  std::string_view grants) const {
  const CollectionRule& rule = *opened.rule;
  auto projection = std::make_shared<Projection>();
  projection->deleted_record_full = rule.deleted_record_full;
  projection->old = rule.old;
  projection->everything = !rule.narrows_columns();
  const Collection* watched = catalog_->find(rule.name);
  projection->named = hidden_columns(rule, grants);
  if (rule.show) {
    projection->lists_shown = true;
    for (const ShownColumn& column : *rule.show) projection->named.push_back(column.name);
    if (watched != nullptr) {
      projection->named.insert(projection->named.end(), watched->key.begin(), watched->key.end());
    }
    std::sort(projection->named.begin(), projection->named.end());
  }
  for (const auto& [column, number] : opened.known_columns) {
    const bool is_key = watched != nullptr && contains(watched->key, column);
    if (is_key || projection->shows_in_custom(column)) projection->columns.push_back(column);
  }
  std::sort(projection->columns.begin(), projection->columns.end());
  projection->shape.open = watched == nullptr;
  if (watched != nullptr) {
    for (const auto& [column, type] : shape(rule.name)->columns) {
      if (projection->shows(column)) projection->shape.columns.emplace(column, type);
    }
  }
  if (projection->everything) projection->columns.clear();
  return projection;
}

bool Policy::goes_by_columns(std::string_view collection) const {
  const Opened* opened = find_open(collection);
  return opened != nullptr && (opened->rule->narrows_columns() || opened->rule->where);
}

const RecordShape* Policy::shape(std::string_view collection) const {
  const auto found = shapes_.find(collection);
  return found != shapes_.end() ? &found->second : nullptr;
}

const Policy::Opened* Policy::find_open(std::string_view collection) const {
  const auto found = opened_.find(collection);
  return found != opened_.end() && found->second.open ? &found->second : nullptr;
}

std::set<std::string> Policy::covered() const {
  std::set<std::string> names;
  for (const Collection& watched : catalog_->collections()) names.insert(watched.name);
  for (const auto& [name, rule] : rules_->collections) names.insert(name);
  return names;
}

bool Policy::lists(std::string_view collection) const {
  return opened_.contains(collection);
}

}  // namespace pgtide
