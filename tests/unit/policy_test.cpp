#include "rules/policy.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rules/projected_row.hpp"

using namespace pgtide;
using Names = std::vector<std::string>;

namespace {

Collection posts(Names columns = {"id", "title", "email"}) {
  return {.id = 1,
          .name = "posts",
          .table = "public.posts",
          .key = {"id"},
          .columns = std::move(columns)};
}

CollectionRule rule(const std::string& name) {
  return {.name = name,
          .table = "public." + name,
          .subscribe = {.kind = Audience::Kind::anyone},
          .place = {3, 5}};
}

CollectionRule hiding(Names hide) {
  CollectionRule made = rule("posts");
  for (int i = 0; i < static_cast<int>(hide.size()); ++i) {
    const std::string& name = hide[static_cast<std::size_t>(i)];
    made.hide.push_back({.name = name, .place = {4, 10 + i}});
  }
  return made;
}

std::shared_ptr<const Rules> rules_of(std::vector<CollectionRule> listed, bool all = false) {
  auto made = std::make_shared<Rules>();
  made->file = "rules.yaml";
  if (all) made->all.kind = Audience::Kind::anyone;
  for (auto& each : listed) made->collections.emplace(each.name, each);
  return made;
}

std::shared_ptr<const Catalog> catalog_of(std::vector<Collection> watched, Names unwatched = {}) {
  return std::make_shared<Catalog>(std::move(watched), std::move(unwatched));
}

std::shared_ptr<const Policy> bind(CollectionRule listed, std::vector<Collection> watched,
                                   Names unwatched = {}) {
  return Policy::bind(rules_of({std::move(listed)}),
                      catalog_of(std::move(watched), std::move(unwatched)), nullptr);
}

Policy::Verdict ask(const Policy& policy, const std::string& pattern) {
  return policy.may_subscribe(nullptr, *parse_pattern(pattern));
}

}  // namespace

TEST_CASE("policy: whatever is not listed, open and public is denied") {
  using enum Policy::Verdict;
  CollectionRule closed = rule("drafts");
  closed.subscribe = {};
  Collection users = posts();
  users.name = "users";
  users.table = "public.users";
  for (const bool all : {false, true}) {
    const auto policy = Policy::bind(rules_of({rule("posts"), closed, rule("news")}, all),
                                     catalog_of({posts(), users}), nullptr);
    struct Row {
      const char* pattern;
      Policy::Verdict without_all, with_all;
      const char* why;
    };
    const Row rows[] = {
        {"posts.*", allowed, allowed, "listed, watched, public"},
        {"posts.7", allowed, allowed, "a record of it"},
        {"news.*", allowed, allowed, "custom events only"},
        {"drafts.*", denied, denied, "listed without subscribe"},
        {"users.*", denied, denied, "watched, not listed: `all` stands in for `*` only"},
        {"ghosts.*", denied, unknown_collection, "neither; told only to those with `all`"},
        {"ghosts.1", denied, unknown_collection, "the same for a record"},
        {"*", denied, allowed, "`all` alone opens it"},
    };
    for (const Row& row : rows) {
      CAPTURE(row.pattern);
      CAPTURE(row.why);
      CHECK(ask(*policy, row.pattern) == (all ? row.with_all : row.without_all));
    }
    CHECK(policy->problems() == Names{});
  }
}

TEST_CASE("policy: no rules deny everything") {
  const auto policy = Policy::bind(std::make_shared<Rules>(), catalog_of({posts()}), nullptr);
  CHECK(ask(*policy, "posts.*") == Policy::Verdict::denied);
  CHECK(ask(*policy, "*") == Policy::Verdict::denied);
  CHECK_FALSE(policy->lists("posts"));
}

TEST_CASE("policy: doubt between rule and database closes the collection, with place and mend") {
  Collection elsewhere = posts();
  elsewhere.table = "blog.posts";
  Collection renamed = posts();
  renamed.name = "articles";
  Collection without_old = posts();
  without_old.old_rows = false;
  CollectionRule asserted = rule("posts");
  asserted.table = "blog.posts";
  asserted.table_given = true;
  CollectionRule old = rule("posts");
  old.old = true;
  CollectionRule full = rule("posts");
  full.deleted_record_full = true;
  CollectionRule plain = rule("posts");

  struct Row {
    CollectionRule rule;
    std::vector<Collection> watched;
    Names unwatched;
    Names problems;
    const char* why;
  };
  const Row rows[] = {
      {plain, {posts()}, {}, {}, "all is well"},
      {asserted, {elsewhere}, {}, {}, "the asserted table"},
      {plain, {}, {}, {}, "no such table: custom events only"},
      {plain,
       {},
       {"public.posts"},
       {"rules.yaml:3:5: posts: table public.posts is not watched; run: pgtide watch public.posts"},
       "never subscribed, then silence"},
      {asserted,
       {},
       {"blog.posts"},
       {"rules.yaml:3:5: posts: table blog.posts is not watched; run: pgtide watch blog.posts"},
       "with its schema"},
      {asserted,
       {},
       {},
       {"rules.yaml:3:5: posts: there is no table blog.posts; correct the name, or leave `table` "
        "out where the collection carries custom events only"},
       "an asserted table that is missing is a typing error"},
      {asserted,
       {posts()},
       {},
       {"rules.yaml:3:5: posts: the watched table is public.posts, not blog.posts; write "
        "`table: public.posts`, or watch the other one"},
       "another table than asserted"},
      {plain,
       {elsewhere},
       {},
       {"rules.yaml:3:5: posts: the watched table is blog.posts, not public.posts; write "
        "`table: blog.posts`, or watch the other one"},
       "the default asserts as well"},
      {plain,
       {renamed},
       {},
       {"rules.yaml:3:5: posts: table public.posts is watched as articles, and a table has one "
        "name; list that one, or run: pgtide watch public.posts --as posts"},
       "watched under another name"},
      {hiding({"id"}),
       {posts()},
       {},
       {"rules.yaml:4:10: posts: the key column id cannot be hidden; take it out of `hide`"},
       "a record id shows the key anyway"},
      {hiding({"email", "emial", "id"}),
       {posts()},
       {},
       {"rules.yaml:4:11: posts: table public.posts has no column emial; did you mean email?",
        "rules.yaml:4:12: posts: the key column id cannot be hidden; take it out of `hide`"},
       "all faults at once"},
      {old,
       {without_old},
       {},
       {"rules.yaml:3:5: posts: `old` needs the old rows, and table public.posts is watched "
        "without them; take it out, or run: pgtide watch public.posts"},
       "a rule that needs old rows denies without them"},
      {full,
       {without_old},
       {},
       {"rules.yaml:3:5: posts: `deleted_record: full` needs the old rows, and table public.posts "
        "is watched without them; take it out, or run: pgtide watch public.posts"},
       "the same for a delete's"},
      {hiding({"email"}),
       {without_old},
       {},
       {"rules.yaml:3:5: posts: `hide` needs the old rows, and table public.posts is watched "
        "without them; take it out, or run: pgtide watch public.posts"},
       "an update of a hidden column alone could not be told from another"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    const auto policy = bind(row.rule, row.watched, row.unwatched);
    CHECK(policy->problems() == row.problems);
    const bool open = row.problems.empty();
    CHECK(ask(*policy, "posts.*") == (open ? Policy::Verdict::allowed : Policy::Verdict::denied));
    CHECK((policy->projection("posts", "") != nullptr) == open);
    CHECK(policy->lists("posts"));
  }
}

TEST_CASE("policy: the command of a renamed collection names both") {
  CollectionRule invoices = rule("invoices");
  invoices.table = "billing.invoice";
  invoices.table_given = true;
  const auto policy = bind(invoices, {}, {"billing.invoice"});
  CHECK(policy->problems() ==
        Names{"rules.yaml:3:5: invoices: table billing.invoice is not watched; run: pgtide watch "
              "billing.invoice --as invoices"});
}

TEST_CASE("policy: one collection's fault closes that one only") {
  const auto policy =
      Policy::bind(rules_of({hiding({"ghost"}), rule("news")}), catalog_of({posts()}), nullptr);
  CHECK(policy->projection("posts", "") == nullptr);
  CHECK(policy->projection("news", "") != nullptr);
}

TEST_CASE("policy: without hide rows pass untouched, with it only what was known is shown") {
  const auto open = bind(rule("posts"), {posts()});
  CHECK(open->projection("posts", "")->everything);
  CHECK(open->projection("posts", "")->shows("anything"));
  const auto hides = bind(hiding({"email"}), {posts()});
  const Projection& projection = *hides->projection("posts", "");
  CHECK_FALSE(projection.everything);
  CHECK(projection.columns == Names{"id", "title"});
  CHECK_FALSE(projection.shows("email"));
  CHECK_FALSE(projection.shows("added_later"));
  CHECK_FALSE(projection.shows_in_custom("email"));
  CHECK(projection.shows_in_custom("message"));
}

TEST_CASE("policy: a watched collection that is not listed is seen whole, by * alone") {
  const auto policy = Policy::bind(rules_of({}, true), catalog_of({posts()}), nullptr);
  REQUIRE(policy->projection("posts", "") != nullptr);
  CHECK(policy->projection("posts", "")->everything);
  CHECK(policy->projection("nothing", "") == nullptr);
}

TEST_CASE("policy: under hide, columns that come later do not leak until the rules are loaded") {
  const auto rules = rules_of({hiding({"email"})});
  const auto first = Policy::bind(rules, catalog_of({posts()}), nullptr);
  const auto wider = catalog_of({posts({"id", "headline", "email", "secret"})});
  const auto second = Policy::bind(rules, wider, first.get());
  CHECK(second->problems() == Names{});
  CHECK(second->projection("posts", "")->columns == Names{"id", "title"});
  CHECK(second->projection("posts", "")->shows_same(*first->projection("posts", "")));
  const auto third = Policy::bind(rules, wider, second.get());
  CHECK(third->projection("posts", "")->columns == Names{"id", "title"});
  const auto anew = Policy::bind(rules, wider, nullptr);
  CHECK(anew->projection("posts", "")->columns == Names{"headline", "id", "secret"});
}

TEST_CASE("policy: what was known survives a time in which the table is not watched") {
  const auto rules = rules_of({hiding({"email"})});
  const auto first = Policy::bind(rules, catalog_of({posts()}), nullptr);
  const auto gone = Policy::bind(rules, catalog_of({}, {"public.posts"}), first.get());
  CHECK(gone->projection("posts", "") == nullptr);
  const auto back = Policy::bind(rules, catalog_of({posts({"id", "email", "secret"})}), gone.get());
  CHECK_FALSE(back->projection("posts", "")->shows("secret"));
}

TEST_CASE("policy: a name that is another column's now closes, until the rules are loaded anew") {
  const auto rules = rules_of({hiding({"email"})});
  const auto numbered = [](std::vector<int> numbers) {
    Collection table = posts();
    table.numbers = std::move(numbers);
    return catalog_of({table});
  };
  const auto first = Policy::bind(rules, numbered({1, 2, 3}), nullptr);
  CHECK(first->problems() == Names{});
  const auto swapped = Policy::bind(rules, numbered({1, 3, 2}), first.get());
  CHECK(swapped->projection("posts", "") == nullptr);
  REQUIRE(swapped->problems().size() == 2);
  CHECK(swapped->problems()[0] ==
        "rules.yaml:3:5: posts: column email of table public.posts is the one that was title when "
        "the rules were loaded; look at them, and load them anew");
  CHECK(Policy::bind(rules, numbered({1, 3, 2}), nullptr)->problems() == Names{});
  const auto added_anew = Policy::bind(rules, numbered({1, 4, 3}), first.get());
  CHECK(added_anew->problems() == Names{});
}

TEST_CASE("policy: a hidden column that vanishes closes, and opens again when it is back") {
  const auto rules = rules_of({hiding({"email"})});
  const auto first = Policy::bind(rules, catalog_of({posts()}), nullptr);
  const auto renamed =
      Policy::bind(rules, catalog_of({posts({"id", "title", "mail"})}), first.get());
  CHECK(renamed->projection("posts", "") == nullptr);
  CHECK(renamed->problems() ==
        Names{"rules.yaml:4:10: posts: table public.posts has no column email; did you mean "
              "mail?"});
  CHECK(ask(*renamed, "posts.*") == Policy::Verdict::denied);
  const auto back = Policy::bind(rules, catalog_of({posts()}), renamed.get());
  CHECK(back->projection("posts", "")->columns == Names{"id", "title"});
}

namespace {

std::string projected(const std::string& text, const Projection& projection,
                      const std::optional<std::string>& id = {}) {
  const auto row = Row::parse(text);
  std::string out;
  append_projected(out, *row, projection, id);
  return out;
}

Projection showing(Names columns) {
  return {.everything = false, .columns = std::move(columns)};
}

}  // namespace

TEST_CASE("policy: a projected row keeps names, values and order to the byte") {
  const std::string row = R"({"id":18446744073709551617,"a\"b":1.10,"j":{"x":[1, 2]},"email":"e"})";
  CHECK(projected(row, showing({"a\"b", "id", "j"})) ==
        R"({"id":18446744073709551617,"a\"b":1.10,"j":{"x":[1, 2]}})");
  CHECK(projected(row, showing({})) == "{}");
  CHECK(projected(R"({"j":1,"k":2})", showing({"j"}), "7") == R"({"j":1,"id":"7"})");
  CHECK(projected(row, showing({"j"}), "7") == R"({"j":{"x":[1, 2]}})");
  CHECK(projected(row, showing({"id"}), "7") == R"({"id":18446744073709551617})");
}

TEST_CASE("policy: a hidden column is found behind escapes in its name") {
  CHECK(projected(R"({"em\u0061il":1,"id":2})", showing({"id"})) == R"({"id":2})");
}

TEST_CASE("policy: the key is typed as in the row, and id stands in where no column is called so") {
  struct Case {
    const char* row;
    Names key;
    const char* record_id;
    const char* expected;
    const char* why;
  };
  const Case cases[] = {
      {R"({"id":7,"x":1})", {"id"}, "7", R"({"id":7})", "one column called id"},
      {R"({"x":1,"n":"a,b","id":3})",
       {"n", "x"},
       "a\\,b,1",
       R"({"n":"a,b","x":1})",
       "a column id that is no key has another value"},
      {R"({"x":1,"n":"a,b"})",
       {"n", "x"},
       "a\\,b,1",
       R"({"n":"a,b","x":1,"id":"a\\,b,1"})",
       "two columns, none called id"},
      {R"({"x":1})", {"gone"}, "9", R"({"id":"9"})", "a key column that the row lacks"},
      {R"({"ID":1})", {"ID"}, "1", R"({"ID":1,"id":"1"})", "names are compared to the letter"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.why);
    const auto row = Row::parse(each.row);
    std::string out;
    append_key(out, *row, each.key, each.record_id);
    CHECK(out == each.expected);
  }
}

TEST_CASE("policy: changed names the visible columns whose texts differ") {
  struct Case {
    const char* before;
    const char* after;
    Projection projection;
    const char* expected;
    const char* why;
  };
  const Case cases[] = {
      {R"({"a":1,"b":2})", R"({"a":1,"b":3})", {}, R"(["b"])", "one of two"},
      {R"({"a":1,"b":2})", R"({"a":1,"b":2})", {}, "[]", "none"},
      {R"({"n":1.0})", R"({"n":1.00})", {}, R"(["n"])", "another text is another value"},
      {R"({"b":2,"a":1})", R"({"a":1,"b":2})", {}, "[]", "the order of columns is no value"},
      {R"({"a":1})", R"({"a":1,"b":null})", {}, R"(["b"])", "a column that is new"},
      {R"({"a":1,"b":2})", R"({"a":1})", {}, "[]", "a column that is gone is not named"},
      {R"({"a":1,"b":2})", R"({"a":2,"b":3})", showing({"a"}), R"(["a"])", "hidden ones are not"},
      {R"({"a\"":1})", R"({"a\"":2})", {}, R"(["a\""])", "names stay escaped"},
      {R"({"a":null})", R"({"a":"null"})", {}, R"(["a"])", "NULL is not its text"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.why);
    const auto before = Row::parse(each.before);
    const auto after = Row::parse(each.after);
    std::string out;
    append_changed(out, *before, *after, each.projection);
    CHECK(out == each.expected);
  }
}

TEST_CASE("policy: of withheld values it is told whether they changed, and nothing else") {
  const auto before = Row::parse_reduced(R"({"id":~"1","a":~"1","b":~"1","c":2,"d":~"1"})");
  const auto after = Row::parse_reduced(R"({"id":~"1","a":~"1","b":~"2","c":~"2","d":3})");
  std::string out;
  append_changed(out, *before, *after, {});
  CHECK(out == R"(["b","c","d"])");
  out.clear();
  append_key(out, *after, Names{"id", "d"}, "7");
  CHECK(out == R"({"d":3})");
  CHECK(visible_bytes(*after, showing({"d"})) == std::optional<std::size_t>{1});
  CHECK(visible_bytes(*after, showing({"a", "d"})) == std::nullopt);
  CHECK(visible_bytes(*after, {}) == std::nullopt);
  CHECK(visible_bytes(*Row::parse_reduced("{}"), showing({"d"})) == std::nullopt);
}

TEST_CASE("policy: a text is quoted as JSON, escaped where it must be") {
  const std::pair<std::string, std::string> cases[] = {
      {"", R"("")"},
      {"plain ~", R"("plain ~")"},
      {"a\"b\\c", R"("a\"b\\c")"},
      {"\n\x01", R"("\n\u0001")"},
      {"\x7f\u00e4\u20ac", "\"\x7f\u00e4\u20ac\""},
  };
  for (const auto& [text, expected] : cases) {
    std::string out = "before ";
    append_quoted(out, text);
    CHECK(out == "before " + expected);
  }
}
