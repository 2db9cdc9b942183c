// Who sees which rows and columns: rules by user, filters by client, and what becomes of both.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "unit/broker_fixture.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

RuleExpression expression(const std::string& text) {
  auto parsed = Expression::parse(text);
  if (const auto* faults = std::get_if<1>(&parsed)) FAIL(faults->front().message);
  return {std::get<0>(parsed), std::vector<SourcePlace>(text.size() + 1, SourcePlace{1, 1})};
}

Audience whoever(const std::string& text) {
  return {Audience::Kind::by_rule, expression(text)};
}

// docs(id bigint, owner text, team bigint, tags text[], secret text).
Collection docs_table() {
  using enum ColumnKind;
  return {.id = 7,
          .name = "docs",
          .table = "public.docs",
          .key = {"id"},
          .columns = {"id", "owner", "team", "tags", "secret"},
          .types = {{number, json, "bigint"},
                    {text, json, "text"},
                    {number, json, "bigint"},
                    {list, text, "text[]"},
                    {text, json, "text"}}};
}

CollectionRule docs_rule(const std::string& where = "") {
  CollectionRule rule = public_rule("docs");
  if (!where.empty()) rule.where = expression(where);
  return rule;
}

std::shared_ptr<const Policy> docs_policy(const CollectionRule& rule) {
  auto policy = make_policy({rule}, {docs_table()}, true);
  REQUIRE(policy->problems() == Lines{});
  return policy;
}

std::string doc(int id, const std::string& owner, const std::string& team = "1",
                const std::string& secret = "s") {
  return R"({"id":)" + std::to_string(id) + R"(,"owner":")" + owner + R"(","team":)" + team +
         R"(,"tags":["a"],"secret":")" + secret + "\"}";
}

Principal user(const std::string& id, std::vector<std::string> roles = {},
               const std::string& claims = "{}") {
  return {.id = id, .roles = std::move(roles), .claims = claims};
}

std::string subscribe_with(const std::string& pattern, const std::string& filter) {
  return R"({"type":"subscribe","pattern":")" + pattern + R"(","filter":")" + filter + "\"}";
}

// What of a frame these tests look at: `action`, record, `patterns` and `left`.
std::string brief(const std::string& frame) {
  const auto part = [&frame](const std::string& from, const std::string& to) {
    const auto at = frame.find(from);
    if (at == std::string::npos) return std::string();
    return frame.substr(at, frame.find(to, at) - at) + to;
  };
  return part("\"action\":", ",\"record\"") + ":" + part("{\"id\"", "}") +
         part("\"patterns\"", "]") + part("\"left\"", "]");
}

Lines briefs(const Lines& frames) {
  Lines short_ones;
  for (const auto& frame : frames) short_ones.push_back(brief(frame));
  return short_ones;
}

std::string shown(const std::string& action, const std::string& record,
                  const std::string& patterns = R"("docs.*")") {
  return R"("action":")" + action + R"(","record":)" + record + R"("patterns":[)" + patterns + "]";
}

ConnectionNumber reader(World& world, const Principal& who, const Lines& requests) {
  const auto number = world.open(who);
  for (const auto& request : requests) {
    world.say(number, request);
    world.now += 1s;
  }
  for (const auto& line : world.taken(number)) {
    REQUIRE(line.find("\"error\"") == std::string::npos);
  }
  return number;
}

}  // namespace

TEST_CASE("rules: each user gets the rows that `where` shows to him, and no others") {
  World world(docs_policy(docs_rule("record.owner == user.id || 'editor' in user.roles")));
  const auto ann = reader(world, user("ann"), {World::subscribe("docs.*")});
  const auto bob = reader(world, user("bob"), {World::subscribe("docs.*")});
  const auto editor = reader(world, user("eve", {"editor"}), {World::subscribe("docs.*")});
  world.deliver({created("docs", "1", doc(1, "ann")), created("docs", "2", doc(2, "bob"))});
  CHECK(briefs(world.taken(ann)) == Lines{shown("create", doc(1, "ann"))});
  CHECK(briefs(world.taken(bob)) == Lines{shown("create", doc(2, "bob"))});
  CHECK(briefs(world.taken(editor)) ==
        Lines{shown("create", doc(1, "ann")), shown("create", doc(2, "bob"))});
}

TEST_CASE("rules: a row that comes into sight is a create, one that leaves a delete of its key") {
  CollectionRule rule = docs_rule("record.owner == user.id");
  rule.deleted_record_full = true;
  World world(docs_policy(rule));
  const auto ann = reader(world, user("ann"), {World::subscribe("docs.*")});
  const auto bob = reader(world, user("bob"), {World::subscribe("docs.*")});
  world.deliver({updated("docs", "1", doc(1, "ann"), doc(1, "bob"))});
  CHECK(briefs(world.taken(ann)) == Lines{shown("delete", R"({"id":1})")});
  CHECK(briefs(world.taken(bob)) == Lines{shown("create", doc(1, "bob"))});
  world.deliver({deleted("docs", "1", doc(1, "bob"))});
  CHECK(world.taken(ann) == Lines{});
  CHECK(briefs(world.taken(bob)) == Lines{shown("delete", doc(1, "bob"))});
}

TEST_CASE("rules: a connection's patterns that differ about an event get one frame together") {
  World world(docs_policy(docs_rule()));
  const auto ann = reader(world, user("ann"),
                          {World::subscribe("*"), subscribe_with("docs.*", "record.team == 1"),
                           subscribe_with("docs.5", "record.team == 2")});
  world.deliver({updated("docs", "5", doc(5, "x", "1"), doc(5, "x", "2"))});
  CHECK(briefs(world.taken(ann)) ==
        Lines{shown("update", doc(5, "x", "2"), R"("*","docs.5")") + R"("left":["docs.*"])"});
  world.deliver({updated("docs", "5", doc(5, "x", "3"), doc(5, "x", "1"))});
  CHECK(briefs(world.taken(ann)) ==
        Lines{shown("update", doc(5, "x", "1"), R"("*","docs.*")")});
  world.deliver({deleted("docs", "5", doc(5, "x", "2"))});
  CHECK(briefs(world.taken(ann)) == Lines{shown("delete", R"({"id":5})", R"("*","docs.5")")});
}

TEST_CASE("rules: a pattern that loses a row by a hidden column is told beside one that keeps it") {
  CollectionRule rule = docs_rule();
  rule.hide = {{.name = "secret"}};
  rule.where = expression("record.team == 1");
  rule.hide.push_back({.name = "team"});
  World world(docs_policy(rule));
  const auto ann = reader(world, user("ann"), {World::subscribe("*"), World::subscribe("docs.*")});
  const std::string seen = R"({"id":5,"owner":"x","tags":["a"]})";
  world.deliver({updated("docs", "5", doc(5, "x", "1"), doc(5, "x", "2"))});
  CHECK(briefs(world.taken(ann)) ==
        Lines{shown("update", seen, R"("*")") + R"("left":["docs.*"])"});
  world.deliver({updated("docs", "5", doc(5, "x", "2"), doc(5, "x", "1"))});
  CHECK(briefs(world.taken(ann)) == Lines{shown("update", seen, R"("*","docs.*")")});
  world.deliver({updated("docs", "5", doc(5, "x", "1", "s"), doc(5, "x", "1", "t"))});
  CHECK(world.taken(ann) == Lines{});
}

TEST_CASE("rules: two filters that hand a row over are an update, one of them in `left`") {
  World world(docs_policy(docs_rule()));
  const auto ann = reader(world, user("ann"),
                          {subscribe_with("docs.*", "record.team == 1"),
                           subscribe_with("docs.5", "record.team == 2")});
  world.deliver({updated("docs", "5", doc(5, "x", "1"), doc(5, "x", "2"))});
  CHECK(briefs(world.taken(ann)) ==
        Lines{shown("update", doc(5, "x", "2"), R"("docs.5")") + R"("left":["docs.*"])"});
}

TEST_CASE("rules: every kind of index term finds its rows, and what no index serves does too") {
  struct Row {
    std::string where;
    std::string seen;
    std::string unseen;
    const char* why;
  };
  const Row rows[] = {
      {"record.owner == user.id", doc(1, "ann"), doc(1, "bob"), "a column"},
      {"record.team in user.claims.teams", doc(1, "x", "7.0"), doc(1, "x", "9"), "a list"},
      {"string(record.team) == user.claims.team", doc(1, "x", "12"), doc(1, "x", "13"), "string()"},
      {"'a' in record.tags && record.team > 5", doc(1, "x", "6"), doc(1, "x", "5"), "an element"},
      {"record.owner == user.id || record.team == 4", doc(1, "x", "4"), doc(1, "x", "5"), "two"},
      {"record.team > 5", doc(1, "x", "6"), doc(1, "x", "5"), "scanned"},
      {"record.owner.startsWith('a')", doc(1, "abe"), doc(1, "bab"), "scanned"},
      {"!(record.owner == 'bob')", doc(1, "abe"), doc(1, "bob"), "a negation"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    World world(docs_policy(docs_rule(row.where)));
    const auto ann = reader(world, user("ann", {}, R"({"teams":[7,8],"team":"12"})"),
                            {World::subscribe("docs.*")});
    world.deliver({created("docs", "1", row.seen), created("docs", "1", row.unseen)});
    CHECK(briefs(world.taken(ann)) == Lines{shown("create", row.seen)});
    world.deliver({updated("docs", "1", row.seen, row.unseen)});
    CHECK(briefs(world.taken(ann)) == Lines{shown("delete", R"({"id":1})")});
  }
}

TEST_CASE("rules: truncate and schema_changed pass every rule and filter") {
  World world(docs_policy(docs_rule("record.owner == user.id")));
  const auto ann = reader(world, user("ann"), {subscribe_with("docs.*", "record.team == 1")});
  world.deliver({truncated("docs"), schema_changed("docs")});
  const Lines lines = world.taken(ann);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].find("\"truncate\"") != std::string::npos);
  CHECK(lines[1].find("schema_changed") != std::string::npos);
}

TEST_CASE("rules: `*` needs no `where`, and `hide` holds for it by user") {
  CollectionRule rule = docs_rule("record.owner == user.id");
  rule.hide = {{.name = "secret", .seen_by = whoever("'chief' in user.roles")}};
  World world(docs_policy(rule));
  const auto chief = reader(world, user("c", {"chief"}), {World::subscribe("*")});
  const auto ann = reader(world, user("ann"), {World::subscribe("*"), World::subscribe("docs.*")});
  const std::string hidden = R"({"id":1,"owner":"x","team":1,"tags":["a"]})";
  world.deliver({created("docs", "1", doc(1, "x"))});
  CHECK(briefs(world.taken(chief)) == Lines{shown("create", doc(1, "x"), "\"*\"")});
  CHECK(briefs(world.taken(ann)) == Lines{shown("create", hidden, "\"*\"")});
  world.deliver({updated("docs", "1", doc(1, "x", "1", "s"), doc(1, "x", "1", "t"))});
  CHECK(briefs(world.taken(chief)) == Lines{shown("update", doc(1, "x", "1", "t"), "\"*\"")});
  CHECK(world.taken(ann) == Lines{});
}

TEST_CASE("rules: `show` lets through what it names and the key, in custom events too") {
  CollectionRule rule = docs_rule();
  rule.show = {{.name = "team"}};
  World world(docs_policy(rule));
  const auto ann = reader(world, user("ann"), {World::subscribe("docs.*")});
  world.deliver({created("docs", "1", doc(1, "x")), custom("docs", R"({"team":5,"secret":6})")});
  world.deliver({custom("docs", R"({"id":7,"owner":"x","team":5})")});
  const Lines lines = world.taken(ann);
  REQUIRE(lines.size() == 3);
  CHECK(brief(lines[0]) == shown("create", R"({"id":1,"team":1})"));
  CHECK(lines[1].find(R"("data":{"team":5},)") != std::string::npos);
  CHECK(lines[2].find(R"("data":{"id":7,"team":5},)") != std::string::npos);
}

TEST_CASE("rules: rows with other columns than the catalog's are not decided, but told of once") {
  CollectionRule hides = docs_rule();
  hides.hide = {{.name = "secret"}};
  for (const CollectionRule& rule : {hides, docs_rule("record.owner == user.id")}) {
    World world(docs_policy(rule));
    const auto ann = reader(world, user("ann"), {World::subscribe("docs.*")});
    std::string altered = doc(1, "ann");
    const std::size_t at = altered.find("\"team\"");
    REQUIRE(at != std::string::npos);
    altered.replace(at, 6, "\"crew\"");
    world.deliver({created("docs", "1", altered), updated("docs", "1", altered, doc(1, "ann")),
                   created("docs", "2", doc(2, "ann"))});
    const Lines lines = world.taken(ann);
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].find("schema_changed") != std::string::npos);
    CHECK(lines[1].find(R"("record_id":"2")") != std::string::npos);
  }
  World world(docs_policy(docs_rule()));  // nothing goes by names there
  const auto ann = reader(world, user("ann"), {World::subscribe("docs.*")});
  world.deliver({created("docs", "1", R"({"id":1,"crew":2})")});
  CHECK(briefs(world.taken(ann)) == Lines{shown("create", R"({"id":1,"crew":2})")});
}

TEST_CASE("rules: what another table logged under the same name reaches nobody") {
  World world(docs_policy(docs_rule()));
  const auto ann = reader(world, user("ann"), {World::subscribe("docs.*")});
  Event before = created("docs", "1", doc(1, "x"));
  before.collection_id = docs_table().id + 1;
  Event now = created("docs", "2", doc(2, "x"));
  now.collection_id = docs_table().id;
  world.deliver({before, now});
  CHECK(briefs(world.taken(ann)) == Lines{shown("create", doc(2, "x"))});
}

TEST_CASE("rules: `where` sees a custom event's data as the record, and an error denies") {
  World world(docs_policy(docs_rule("record.owner == user.id")));
  const auto ann = reader(world, user("ann"), {World::subscribe("docs.*")});
  world.deliver({custom("docs", R"({"owner":"ann"})"), custom("docs", R"({"owner":"bob"})"),
                 custom("docs", R"({"other":1})"), custom("docs", "[1]"),
                 custom("docs", R"({"owner":"ann","owner":"bob"})")});
  CHECK(world.taken(ann).size() == 1);
}

TEST_CASE("filter: what is wrong with one is said, and nothing has changed") {
  CollectionRule rule = docs_rule();
  rule.hide = {{.name = "secret"}};
  Collection bare = posts_table();
  bare.old_rows = false;
  World world(make_policy({rule, public_rule("posts")}, {docs_table(), bare}, true));
  const auto ann = world.open(user("ann"));
  struct Row {
    std::string pattern;
    std::string filter;
    std::string part;
    const char* why;
  };
  const Row rows[] = {
      {"docs.*", "record.team ==", R"("code":"invalid_filter")", "syntax"},
      {"docs.*", "record.secret == 'x'", R"("code":"invalid_filter")", "hidden"},
      {"docs.*", "record.nothing == 'x'", R"("code":"invalid_filter")", "unknown"},
      {"docs.*", "record.team == 'x'", R"("position":)", "types"},
      {"docs.*", "user.id == record.owner", R"("code":"invalid_filter")", "the user"},
      {"docs.*", "record.owner == '" + std::string(2'000, 'x') + "'", "invalid_filter", "long"},
      {"*", "record.team == 1", R"("code":"invalid_filter")", "everything"},
      {"posts.*", "record.id == 1", "without old rows", "no old rows"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    world.now += 1s;
    const Lines reply = world.ask(ann, subscribe_with(row.pattern, row.filter));
    REQUIRE(reply.size() == 1);
    CHECK(reply[0].find(row.part) != std::string::npos);
  }
  CHECK(world.broker.subscription_count() == 0);
  const auto without_name = [&](const std::string& column) {
    world.now += 1s;
    std::string reply = world.ask(ann, subscribe_with("docs.*", "record." + column + " == 'x'"))[0];
    for (auto at = reply.find(column); at != std::string::npos; at = reply.find(column)) {
      reply.erase(at, column.size());
    }
    return reply;
  };
  CHECK(without_name("secret") == without_name("nothin"));
}

TEST_CASE("filter: of custom events without a table, what is hidden is not there") {
  CollectionRule hides = public_rule("notices");
  hides.hide = {{.name = "secret"}};
  CollectionRule shows = public_rule("alerts");
  shows.show = {{.name = "title"}};
  World world(make_policy({hides, shows}, {}));
  for (const std::string name : {"notices", "alerts"}) {
    CAPTURE(name);
    const auto reads = [&](const std::string& filter) {
      const auto number = reader(world, user("ann"), {subscribe_with(name + ".*", filter)});
      world.deliver({custom(name, R"({"title":"a","secret":1})")});
      return world.taken(number).size() == 1;
    };
    CHECK(reads("record.title == 'a'"));
    CHECK(reads("has(record.title)"));
    // As of a name that nothing carries: neither its value nor its being there is told.
    for (const std::string member : {"secret", "unknown"}) {
      CAPTURE(member);
      CHECK_FALSE(reads("record." + member + " == 1"));
      CHECK_FALSE(reads("record." + member + " != 1"));
      CHECK_FALSE(reads("has(record." + member + ")"));
      CHECK(reads("!has(record." + member + ")"));
      CHECK(reads("record.title == 'a' || record." + member + " == 1"));
    }
  }
}

TEST_CASE("filter: a new one replaces the old from `subscribed` on, a refused one keeps it") {
  World world(docs_policy(docs_rule()));
  const auto ann = reader(world, user("ann"), {subscribe_with("docs.*", "record.team == 1")});
  world.ask(ann, subscribe_with("docs.*", "record.nothing == 1"));
  world.deliver({created("docs", "1", doc(1, "x", "1")), created("docs", "2", doc(2, "x", "2"))});
  CHECK(briefs(world.taken(ann)) == Lines{shown("create", doc(1, "x", "1"))});
  world.now += 1s;
  world.ask(ann, subscribe_with("docs.*", "record.team == 2"));
  world.deliver({created("docs", "1", doc(1, "x", "1")), created("docs", "2", doc(2, "x", "2"))});
  CHECK(briefs(world.taken(ann)) == Lines{shown("create", doc(2, "x", "2"))});
  CHECK(world.broker.subscription_count() == 1);
}

TEST_CASE("filter: so many that no index serves, and those that share one count once") {
  BrokerOptions options;
  options.limits.scanned_filters = 2;
  World world(docs_policy(docs_rule()), options);
  const auto ask = [&](const std::string& filter) {
    const auto number = world.open(user("ann"), "from " + filter);
    return world.ask(number, subscribe_with("docs.*", filter))[0].find("filter_limit") ==
           std::string::npos;
  };
  CHECK(ask("record.team > 1"));
  CHECK(ask("record.team > 2"));
  CHECK_FALSE(ask("record.team > 3"));
  CHECK(ask("record.team > 2"));
  CHECK(ask("record.team == 3"));
  CHECK_FALSE(ask("record.team > 4"));
  CHECK_FALSE(ask("record.team == 3 && record.secret.matches('x')"));  // its memory counts as well
}

TEST_CASE("filter: at the limit one may be replaced by another by who alone holds it") {
  BrokerOptions options;
  options.limits.scanned_filters = 1;
  World world(docs_policy(docs_rule()), options);
  const auto ann = world.open(user("ann"));
  for (const char* filter : {"record.team > 1", "record.team > 2"}) {
    const std::string answer = world.ask(ann, subscribe_with("docs.*", filter)).at(0);
    CHECK(answer.starts_with(R"({"type":"subscribed")"));
  }
  const std::string other = world.ask(ann, subscribe_with("docs.1", "record.team > 3")).at(0);
  CHECK(other.find("filter_limit") != std::string::npos);
}

namespace {

// Connections that ask for filters that no index serves, of which there may be 30.
struct Takers {
  World world;
  std::map<std::string, std::vector<ConnectionNumber>> by_address{};
  int made = 0;

  Takers() : world(docs_policy(docs_rule()), options()) {}
  static BrokerOptions options() {
    BrokerOptions made_options;
    made_options.limits.scanned_filters = 30;
    made_options.limits.requests_per_second = 0;
    return made_options;
  }
  // Asks for 40; how many it then holds.
  std::size_t ask(ConnectionNumber number) {
    for (int n = 0; n < 40; ++n) {
      const std::string pattern = "docs." + std::to_string(n);
      const auto held = world.patterns(number);
      if (std::find(held.begin(), held.end(), pattern) != held.end()) continue;
      world.ask(number, subscribe_with(pattern, "record.team > " + std::to_string(++made)));
      world.take(world.broker.take_ended());
    }
    return world.patterns(number).size();
  }
  std::size_t come(const std::string& address) {
    by_address[address].push_back(world.open(user("ann"), address));
    return ask(by_address[address].back());
  }
  std::size_t held_by(const std::string& address) {
    std::size_t held = 0;
    for (const auto number : by_address[address]) held += world.patterns(number).size();
    return held;
  }
  std::uint64_t ended() const { return world.broker.counters().filters_ended; }
};

}  // namespace

TEST_CASE("filter: no address and no connection holds all places that no index serves") {
  Takers takers;
  CHECK(takers.come("a") == 15);
  for (int n = 0; n < 21; ++n) takers.come("a");
  CHECK(takers.held_by("a") == 15);
  CHECK(takers.come("b") == 15);
  CHECK(takers.come("b") == 7);  // of what its address has
  CHECK(takers.held_by("b") == 15);
  CHECK(takers.held_by("a") == 15);
}

TEST_CASE("filter: whoever comes late has its fair share of places, and nobody loses his") {
  Takers takers;
  for (int n = 1; n <= 10; ++n) {
    const std::string address = "a" + std::to_string(n);
    CHECK(takers.come(address) >= static_cast<std::size_t>(30 / std::max(n, 2)));
    for (int other = 1; other <= n; ++other) {
      CAPTURE(other);
      const auto fair = static_cast<std::size_t>(30 / std::max(n, 2));
      CHECK(takers.held_by("a" + std::to_string(other)) >= fair);
    }
  }
  CHECK(takers.world.broker.subscription_count() == 30);
  // Who lost one is told, and keeps its first ones.
  const auto& first = takers.by_address["a1"].front();
  CHECK(takers.world.patterns(first) == Lines{"docs.0", "docs.1", "docs.2"});
  const Lines told = takers.world.taken(first);
  REQUIRE_FALSE(told.empty());
  CHECK(told.back().find(R"("code":"filter_limit")") != std::string::npos);
  CHECK(told.back().find(R"("pattern":"docs.3")") != std::string::npos);
}

TEST_CASE("filter: however often all ask again, places do not go back and forth") {
  Takers takers;
  for (int n = 0; n < 7; ++n) takers.come("a" + std::to_string(n));
  const std::uint64_t before = takers.ended();
  CHECK(before > 0);
  for (int round = 0; round < 5; ++round) {
    for (const auto& [address, numbers] : takers.by_address) takers.ask(numbers.front());
  }
  CHECK(takers.ended() == before);
}

TEST_CASE("filter: one that others share stays when it is taken from who had it before") {
  Takers takers;
  takers.come("greedy");
  const auto greedy = takers.by_address["greedy"].front();
  // The latest of it is asked for by somebody else, too.
  const Lines held = takers.world.patterns(greedy);
  const std::string last = held.back();
  const auto sharer = takers.world.open(user("ann"), "sharer");
  const std::string filter = takers.world.broker.patterns(greedy).back().filter;
  takers.world.ask(sharer, subscribe_with(last, filter));
  for (int n = 0; n < 6; ++n) takers.come("a" + std::to_string(n));
  CHECK(takers.world.patterns(sharer) == Lines{last});
  CHECK(takers.held_by("a5") >= 3);
}

TEST_CASE("filter: who is within its share keeps a filter, whoever else shares it and leaves") {
  BrokerOptions options;
  options.limits.scanned_filters = 30;
  options.limits.requests_per_second = 0;
  World world(docs_policy(docs_rule()), options);
  const std::string shared = subscribe_with("docs.*", "record.team > 1");
  std::vector<ConnectionNumber> innocents;
  const auto join = [&](const std::string& address) {
    const auto number = world.open(user("ann"), address);
    CHECK(world.ask(number, shared)[0].find("\"subscribed\"") != std::string::npos);
    return number;
  };
  const auto first = join("innocent");
  // One address that has its share of others, and stands before everybody in what all share.
  const auto attacker = world.open(user("ann"), "attacker");
  for (int n = 0; n < 20; ++n) {
    const std::string pattern = "docs." + std::to_string(n);
    world.ask(attacker, subscribe_with(pattern, "record.team > " + std::to_string(n + 2)));
  }
  for (int n = 0; n < 100; ++n) join("attacker");
  for (int n = 0; n < 6; ++n) {
    innocents.push_back(join("innocent " + std::to_string(n)));
    const std::string own = "record.team > " + std::to_string(100 + n);  // leaves the attacker less
    world.ask(innocents.back(), subscribe_with("docs.100", own));
  }
  join("attacker");  // the last takes the place of who leaves
  world.broker.close(first);
  world.take(world.broker.take_ended());
  for (const auto number : innocents) CHECK(world.patterns(number).size() == 2);
}

TEST_CASE("filter: what one leaves to who shares it counts for him, or ends") {
  BrokerOptions options;
  options.limits.scanned_filters = 30;
  options.limits.requests_per_second = 0;
  World world(docs_policy(docs_rule()), options);
  const auto taken_by = [&](ConnectionNumber number, int from) {
    std::size_t taken = 0;
    for (int n = from; n < from + 40; ++n) {
      const std::string filter = subscribe_with("docs." + std::to_string(n), "record.team > 1");
      taken += world.ask(number, filter)[0].find("\"subscribed\"") != std::string::npos ? 1 : 0;
    }
    return taken;
  };
  // Two addresses that pass each other what they made, to make more.
  const auto keeper = world.open(user("ann"), "b");
  std::size_t made = 0;
  for (int turn = 0; turn < 10; ++turn) {
    const auto maker = world.open(user("ann"), "a");
    const std::size_t taken = taken_by(maker, turn * 40);
    for (int n = turn * 40; n < turn * 40 + static_cast<int>(taken); ++n) {
      world.ask(keeper, subscribe_with("docs." + std::to_string(n), "record.team > 1"));
    }
    world.broker.close(maker);
    world.take(world.broker.take_ended());
    made += taken;
  }
  CHECK(made > 20);
  CHECK(world.patterns(keeper).size() <= 15);
  const std::string told = world.taken(keeper).back();
  CHECK(told.find("who had this filter before you is gone") != std::string::npos);
  const auto stranger = world.open(user("ann"), "c");
  CHECK(taken_by(stranger, 1'000) >= 5);
}

TEST_CASE("rules: new ones decide every subscription anew, and tell whom they concern") {
  World world(docs_policy(docs_rule("record.owner == user.id || record.team == 1")));
  const auto ann = reader(world, user("ann"), {World::subscribe("docs.*")});
  const auto filtered =
      reader(world, user("bob"), {subscribe_with("docs.*", "record.secret != ''")});
  world.take(world.broker.replace_policy(
      docs_policy(docs_rule("record.owner == user.id || record.team == 1"))));
  CHECK(world.taken(ann) == Lines{});
  CollectionRule rule = docs_rule("record.owner == user.id");
  rule.hide = {{.name = "secret"}};
  world.take(world.broker.replace_policy(docs_policy(rule)));
  const Lines told = world.taken(ann);
  REQUIRE(told.size() == 1);
  CHECK(told[0].find("permissions_changed") != std::string::npos);
  CHECK(world.taken(filtered)[0].find("invalid_filter") != std::string::npos);
  world.deliver({created("docs", "1", doc(1, "x", "1")), created("docs", "2", doc(2, "ann"))});
  CHECK(briefs(world.taken(ann)) ==
        Lines{shown("create", R"({"id":2,"owner":"ann","team":1,"tags":["a"]})")});
  CHECK(world.taken(filtered) == Lines{});
  rule.subscribe = whoever("'staff' in user.roles");
  world.take(world.broker.replace_policy(docs_policy(rule)));
  CHECK(world.taken(ann)[0].find("permission_denied") != std::string::npos);
  CHECK(world.broker.subscription_count() == 0);
}
