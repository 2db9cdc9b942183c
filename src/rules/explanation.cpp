#include "rules/explanation.hpp"

#include <algorithm>
#include <utility>

namespace pgtide {
namespace {

// As it would stand on one line.
std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (text.ends_with(' ')) text.pop_back();
  return text;
}

Reason reason_of(const std::string& key, const Audience& audience) {
  switch (audience.kind) {
    case Audience::Kind::nobody:
      return {"without `" + key + "` nobody may", {}};
    case Audience::Kind::anyone:
      return {key + ": public", audience.place};
    case Audience::Kind::authenticated:
      return {key + ": authenticated", audience.place};
    case Audience::Kind::by_rule:
      return {key + ": " + one_line(audience.rule.expression->text()), audience.rule.place_of(0)};
  }
  return {};
}

// Why a pattern of one collection is allowed or denied.
Reason decide_collection(const Policy& policy, const std::string& name) {
  const auto found = policy.rules().collections.find(name);
  if (found == policy.rules().collections.end()) {
    return {"the rules do not list " + name, {}};
  }
  const CollectionRule& rule = found->second;
  if (policy.projection(name, {}) == nullptr) {
    return {"the collection is closed: its rules and the database contradict each other",
            rule.place};
  }
  Reason reason = reason_of("subscribe", rule.subscribe);
  if (reason.place.line == 0) reason.place = rule.place;
  return reason;
}

// What the user's row-wise remainder says.
void explain_rows(ExplainedCollection& explained, const Policy& policy, const Principal* who,
                  const CollectionRule& rule) {
  explained.rows = "every row";
  if (!rule.where) return;
  explained.where = {"where: " + one_line(rule.where->expression->text()), rule.where->place_of(0)};
  const auto rows = policy.rows(who, rule.name);
  if (rows == nullptr) return;
  explained.rows = rows->text();
  if (rows->outcome() == Predicate::Outcome::never) {
    explained.rows = "no row: whatever the row, `where` is false or an error for this user";
  }
}

const HiddenColumn* find_hidden(const CollectionRule& rule, const std::string& column) {
  const auto found =
      std::find_if(rule.hide.begin(), rule.hide.end(),
                   [&column](const HiddenColumn& hidden) { return hidden.name == column; });
  return found != rule.hide.end() ? &*found : nullptr;
}

Reason reason_of_hidden(const HiddenColumn& hidden) {
  if (hidden.seen_by.kind == Audience::Kind::nobody) return {"hide", hidden.place};
  return reason_of("hide." + hidden.name, hidden.seen_by);
}

Reason reason_of_column(const CollectionRule& rule, const std::string& column) {
  if (const HiddenColumn* hidden = find_hidden(rule, column)) return reason_of_hidden(*hidden);
  if (!rule.show) return {};
  for (const ShownColumn& shown : *rule.show) {
    if (shown.name == column) return {"show", shown.place};
  }
  return {"show, which does not name it", rule.place};
}

void explain_columns(ExplainedCollection& explained, const Collection& watched,
                     const Projection& projection, const CollectionRule* rule) {
  for (const std::string& name : watched.columns) {
    ExplainedColumn column{.name = name, .visible = projection.shows(name)};
    const bool key = std::find(watched.key.begin(), watched.key.end(), name) != watched.key.end();
    if (rule != nullptr && !key) column.reason = reason_of_column(*rule, name);
    explained.columns.push_back(std::move(column));
  }
}

void explain_custom(ExplainedCollection& explained, const Projection& projection,
                    const CollectionRule& rule) {
  for (const HiddenColumn& hidden : rule.hide) {
    explained.columns.push_back({.name = hidden.name,
                                 .visible = projection.shows_in_custom(hidden.name),
                                 .reason = reason_of_hidden(hidden)});
  }
  if (!rule.show) return;
  explained.other_columns = false;
  for (const ShownColumn& shown : *rule.show) {
    explained.columns.push_back({shown.name, true, {"show", shown.place}});
  }
}

ExplainedCollection explain_collection(const Policy& policy, const Principal* who,
                                       const std::string& name, bool narrowed) {
  ExplainedCollection explained{.name = name};
  const auto rule = policy.rules().collections.find(name);
  explained.listed = rule != policy.rules().collections.end();
  const Collection* watched = policy.catalog().find(name);
  explained.watched = watched != nullptr;
  const auto projection = policy.projection(name, policy.grants(who, name));
  explained.open = projection != nullptr;
  if (!explained.open) return explained;
  explained.rows = "every row";
  if (explained.listed && narrowed) explain_rows(explained, policy, who, rule->second);
  const CollectionRule* listed = explained.listed ? &rule->second : nullptr;
  if (watched != nullptr) {
    explain_columns(explained, *watched, *projection, listed);
  } else if (listed != nullptr) {
    explain_custom(explained, *projection, *listed);
  }
  return explained;
}

}  // namespace

Explanation explain(const Policy& policy, const Principal* who, const Pattern& pattern) {
  Explanation explanation;
  explanation.allowed = policy.may_subscribe(who, pattern) == Policy::Verdict::allowed;
  if (pattern.kind != Pattern::Kind::everything) {
    explanation.decision = decide_collection(policy, pattern.collection);
    if (!explanation.allowed) return explanation;
    explanation.collections = {explain_collection(policy, who, pattern.collection, true)};
    return explanation;
  }
  explanation.decision = reason_of("all", policy.rules().all);
  if (!explanation.allowed) return explanation;
  for (const std::string& name : policy.covered()) {
    explanation.collections.push_back(explain_collection(policy, who, name, false));
  }
  return explanation;
}

}  // namespace pgtide
