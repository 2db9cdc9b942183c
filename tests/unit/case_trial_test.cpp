#include "broker/case_trial.hpp"

#include <doctest/doctest.h>

#include "config/case_file.hpp"

using namespace pgtide;

namespace {

// docs(id bigint, owner text, votes int, tags text[], extra jsonb, due date).
Collection trial_table(bool old_rows = true) {
  using enum ColumnKind;
  return {.id = 7,
          .name = "docs",
          .table = "public.docs",
          .key = {"id"},
          .columns = {"id", "owner", "votes", "tags", "extra", "due"},
          .types = {{number, json, "bigint"},
                    {text, json, "text"},
                    {number, json, "integer"},
                    {list, text, "text[]"},
                    {json, json, "jsonb"},
                    {day, json, "date"}},
          .old_rows = old_rows};
}

const std::string trial_rules =
    "version: 1\n"
    "all: \"'admin' in user.roles\"\n"
    "collections:\n"
    "  docs:\n"
    "    subscribe: authenticated\n"
    "    where: record.owner == user.id || 'admin' in user.roles\n"
    "    hide: {votes: \"'admin' in user.roles\"}\n"
    "  news:\n"
    "    subscribe: public\n"
    "    where: record.level != 'debug'\n"
    "    hide: [sender]\n";

std::shared_ptr<const Policy> trial_policy(Collection table = trial_table(),
                                     const std::string& text = trial_rules) {
  auto rules = std::make_shared<Rules>(std::get<Rules>(parse_rules(text, "r")));
  auto catalog = std::make_shared<Catalog>(std::vector{std::move(table)},
                                           std::vector<std::string>{});
  auto bound = Policy::bind(std::move(rules), std::move(catalog), nullptr);
  REQUIRE(bound->problems().empty());
  return bound;
}

RuleCase make_case(const std::string& keys) {
  const auto parsed = parse_cases("version: 1\ncases: [{name: n, " + keys + "}]");
  if (const auto* faults = std::get_if<1>(&parsed)) FAIL(to_string("c", *faults));
  return std::get<0>(parsed).front();
}

// "expected|got", or the faults.
std::string tried(const std::string& keys,
                  const std::shared_ptr<const Policy>& rules = trial_policy()) {
  const RuleCase one = make_case(keys);
  std::string faults;
  for (const CaseFault& fault : check_case(one, rules->catalog())) faults += fault.message + "\n";
  if (!faults.empty()) return faults;
  const CaseOutcome outcome = try_case(one, rules);
  CHECK(outcome.as_expected() == (outcome.expected == outcome.got));
  return outcome.expected + "|" + outcome.got;
}

}  // namespace

TEST_CASE("case trial: what the broker sends is what the case is told") {
  struct Row {
    const char* keys;
    const char* outcome;
  };
  const Row rows[] = {
      {"pattern: docs.*, expect: denied", "denied|denied"},
      {"pattern: docs.*, user: {id: a}, expect: denied", "denied|subscribed"},
      {"pattern: '*', user: {id: a}, expect: denied", "denied|denied"},
      {"pattern: ghosts.*, user: {id: a, roles: [admin]}, expect: denied", "denied|denied"},
      {"pattern: docs.*, user: {id: a}, row: {id: 1, owner: a}, expect: create, columns: [due]",
       "create [due]|create [due, extra, id, owner, tags]"},
      {"pattern: docs.*, user: {id: b}, row: {id: 1, owner: a}, expect: create", "create|nothing"},
      {"pattern: docs.2, user: {id: a}, row: {id: 1, owner: a}, expect: nothing",
       "nothing|nothing"},
      {"pattern: docs.1, user: {id: a}, row: {id: 1, owner: a}, expect: nothing", "nothing|create"},
      {"pattern: docs.*, user: {id: a}, action: update, old: {id: 1, owner: a}, row: {id: 1, "
       "owner: b}, expect: update, columns: [id]",
       "update [id]|delete [id]"},
      {"pattern: docs.*, user: {id: a}, action: update, old: {id: 1, owner: a, votes: 1}, row: "
       "{id: 1, owner: a, votes: 2}, expect: nothing",
       "nothing|nothing"},
      {"pattern: '*', collection: docs, user: {id: z, roles: [admin]}, action: update, old: {id: "
       "1, votes: 1}, row: {id: 1, votes: 2}, expect: update, columns: "
       "[id, owner, votes, tags, extra, due]",
       "update [due, extra, id, owner, tags, votes]|update [due, extra, id, owner, tags, votes]"},
      {"pattern: docs.*, user: {id: a}, action: delete, old: {id: 1, owner: a}, expect: delete, "
       "columns: [id]",
       "delete [id]|delete [id]"},
      {"pattern: docs.*, user: {id: a}, filter: record.due == null, row: {id: 1, owner: a}, "
       "expect: create",
       "create|create"},
      {"pattern: docs.*, user: {id: a}, filter: record.due != null, row: {id: 1, owner: a}, "
       "expect: create",
       "create|nothing"},
      {"pattern: news.*, action: custom, row: {level: info, sender: x, text: y}, expect: custom, "
       "columns: [level, text]",
       "custom [level, text]|custom [level, text]"},
      {"pattern: news.*, action: custom, row: {level: debug}, expect: custom", "custom|nothing"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.keys);
    CHECK(tried(row.keys) == row.outcome);
  }
}

TEST_CASE("case trial: a filter that is refused is neither denied nor nothing") {
  const std::string outcome = tried(
      "pattern: docs.*, user: {id: a}, filter: record.votes > 1, row: {id: 1}, expect: nothing");
  CHECK(outcome.starts_with("nothing|error invalid_filter: "));
}

TEST_CASE("case trial: what cannot be in the table is told, with the mend") {
  struct Row {
    const char* row;
    const char* fault;
  };
  const Row rows[] = {
      {"{id: 1, ownr: a}", "table public.docs has no column 'ownr'; did you mean owner?\n"},
      {"{owner: a}", "the key column id is missing; every row has its key\n"},
      {"{id: null}", "the key column id is missing; every row has its key\n"},
      {"{id: 1, owner: 5}", "owner is text: this is no value of it; write it between quotes\n"},
      {"{id: 1, owner: [5]}", "owner is text: this is no value of it\n"},
      {"{id: one}", "id is bigint: this is no value of it\n"},
      {"{id: 1, tags: a}", "tags is text[]: this is no value of it\n"},
      {"{id: 1, due: 5}", "due is date: this is no value of it\n"},
      {"{id: 1, extra: {a: [1]}, due: 2026-11-23, tags: [a], votes: null}", "nothing|nothing"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.row);
    CHECK(tried("pattern: docs.*, user: {id: a}, expect: nothing, row: " + std::string(row.row)) ==
          row.fault);
  }
  CHECK(tried("pattern: docs.*, action: update, old: {id: 1}, row: {id: 2}, expect: nothing") ==
        "an update that changes the key column id is a delete and a create; write two cases\n");
  CHECK(tried("pattern: docs.*, user: {id: a}, row: {id: 1, owner: a}, expect: create, columns: "
              "[di]") == "table public.docs has no column 'di'; did you mean id?\n");
  CHECK(tried("pattern: news.*, row: {id: 1}, expect: nothing") ==
        "no table is watched as 'news'; watch it, or write `action: custom` for an event's data\n");
}

TEST_CASE("case trial: a table that is watched without old rows has none here either") {
  const auto plain =
      trial_policy(trial_table(false), "version: 1\ncollections: {docs: {subscribe: public}}");
  CHECK(tried("pattern: docs.*, action: update, old: {id: 1, owner: a}, row: {id: 1, owner: a}, "
              "expect: nothing",
              plain) == "nothing|update");  // nobody can tell that nothing has changed
  CHECK(tried("pattern: docs.*, filter: 'true', row: {id: 1}, expect: create", plain)
            .starts_with("create|error "));
}
