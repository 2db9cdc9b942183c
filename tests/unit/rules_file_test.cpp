#include "config/rules_file.hpp"

#include <doctest/doctest.h>

#include <string>
#include <variant>
#include <vector>

using namespace pgtide;

namespace {

std::string at(SourcePlace place) {
  return std::to_string(place.line) + ":" + std::to_string(place.column);
}

// " to public", " to(user.id == 'a')"; nothing for nobody.
std::string printed(const std::string& word, const Audience& audience) {
  switch (audience.kind) {
    case Audience::Kind::nobody: return "";
    case Audience::Kind::anyone: return " " + word + " public";
    case Audience::Kind::authenticated: return " " + word + " authenticated";
    case Audience::Kind::by_rule: return " " + word + "(" + audience.rule.expression->text() + ")";
  }
  return "";
}

// Rules as one text, a line per collection, or the faults.
std::string printed(const std::string& yaml) {
  const auto parsed = parse_rules(yaml, "r");
  if (const auto* faults = std::get_if<1>(&parsed)) return to_string("r", *faults);
  const Rules& rules = std::get<Rules>(parsed);
  std::string out = rules.file + printed("all", rules.all);
  for (const auto& [name, rule] : rules.collections) {
    CHECK(rule.name == name);
    out += "\n" + at(rule.place) + " " + name + " " + rule.table + (rule.table_given ? "!" : "") +
           printed("to", rule.subscribe) + (rule.deleted_record_full ? " full" : "") +
           (rule.old ? " old" : "");
    if (rule.where) out += " where(" + rule.where->expression->text() + ")";
    for (const HiddenColumn& column : rule.hide) {
      out += " -" + column.name + "@" + at(column.place) + printed("for", column.seen_by);
    }
    if (!rule.show) continue;
    for (const ShownColumn& column : *rule.show) out += " +" + column.name + "@" + at(column.place);
  }
  return out;
}

std::string posts(const std::string& keys) {
  return printed("version: 1\ncollections:\n  posts: {" + keys + "}");
}

}  // namespace

TEST_CASE("rules file: four lines open a collection") {
  CHECK(printed("version: 1\ncollections:\n  posts:\n    subscribe: public\n") ==
        "r\n3:3 posts public.posts to public");
}

TEST_CASE("rules file: every key of the language is read") {
  CHECK(printed("version: 1\n"
                "all: public\n"
                "collections:\n"
                "  invoices:\n"
                "    table: billing.invoice\n"
                "    subscribe: public\n"
                "    deleted_record: full\n"
                "    old: true\n"
                "    hide: [email, \"IP address\"]\n"
                "  posts: {deleted_record: key, old: false}\n"
                "  closed:\n"
                "default: deny\n") ==
        "r all public\n"
        "11:3 closed public.closed\n"
        "4:3 invoices billing.invoice! to public full old -email@9:12 -IP address@9:19\n"
        "10:3 posts public.posts");
}

TEST_CASE("rules file: what is left out denies") {
  CHECK(printed("version: 1") == "r");
  CHECK(printed("version: 1\ncollections:\n") == "r");
  CHECK(posts("") == "r\n3:3 posts public.posts");
}

TEST_CASE("rules file: whom something is open to, and which rows, by expression") {
  CHECK(printed("version: 1\n"
                "all: \"'admin' in user.roles\"\n"
                "collections:\n"
                "  posts:\n"
                "    subscribe: authenticated\n"
                "    where: string(record.author) == user.id\n"
                "    hide:\n"
                "      email: \"'staff' in user.roles\"\n"
                "      phone: authenticated\n"
                "  news:\n"
                "    show: [title, body]\n") ==
        "r all('admin' in user.roles)\n"
        "10:3 news public.news +title@11:12 +body@11:19\n"
        "4:3 posts public.posts to authenticated where(string(record.author) == user.id) "
        "-email@8:7 for('staff' in user.roles) -phone@9:7 for authenticated");
}

TEST_CASE("rules file: a fault inside an expression has its own line and column") {
  struct Row {
    std::string yaml;
    std::string place;
    std::string why;
  };
  const Row rows[] = {
      {"all: user.nme == 'x'", "r:2:11", "a plain value"},
      {"all: \"'a' in user.rolles\"", "r:2:19", "in double quotes"},
      {"all: '''a'' in user.rolles'", "r:2:21", "in single quotes, with quotes in it"},
      {"all: |\n  user != null &&\n  'a' in user.rolles\n", "r:4:15", "a literal block"},
      {"all: >\n  user != null &&\n  'a' in user.rolles\n", "r:4:15", "a folded block"},
      {"all: user != null &&\n  'a' in user.rolles", "r:3:15", "a plain value of two lines"},
      {"collections: {posts: {where: record.a === 1}}", "r:2:39", "a where"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    const std::string faults = printed("version: 1\n" + row.yaml);
    CHECK(faults.substr(0, faults.find(": ")) == row.place);
    CHECK(faults.find('\n') == std::string::npos);
  }
}

TEST_CASE("rules file: what this version does not know is refused and not ignored") {
  CHECK(posts("snapshot: 50000") == "r:3:11: posts.snapshot: not in this version");
}

TEST_CASE("rules file: a fault says where it stands, what is wrong and how to mend it") {
  struct Row {
    std::string yaml;
    std::string faults;
    std::string why;
  };
  const Row rows[] = {
      {"", "r: 'version: 1' is missing", "an empty file"},
      {"all: public", "r: 'version: 1' is missing", "no version"},
      {"version: 2", "r:1:10: version must be 1, the only one there is", "a later one"},
      {"[1]", "r:1:1: the file must hold keys, the first of them 'version: 1'", "a list"},
      {"version: 1\ncolections: {}", "r:2:1: unknown key 'colections'; did you mean collections?",
       "a letter is missing"},
      {"version: 1\ndefault: allow", "r:2:10: default must be deny, the only default", "default"},
      {"version: 1\nall:",
       "r:2:1: all must be public, authenticated or an expression over user, or be left out",
       "nothing"},
      {"version: 1\nall: [public]",
       "r:2:6: all must be public, authenticated or an expression over user, or be left out",
       "a list"},
      {"version: 1\ncollections: [posts]",
       "r:2:14: collections must hold names of collections, such as 'posts:'", "a list"},
      {"version: 1\ncollections: {posts: public}",
       "r:2:22: posts must hold keys, such as 'subscribe: public'", "a word"},
      {"version: 1\ncollections: {a-b: {}}",
       "r:2:15: a collection's name is a letter or _, then letters, digits and _, at most 63 of "
       "them; not 'a-b'",
       "no name"},
      {"version: 1\ncollections: {posts: {}, posts: {}}",
       "r:2:26: the key 'posts' stands here for the second time", "twice"},
      {"version: 1\ncollections: {posts: {subscribe: pubilc}}",
       "r:2:34: posts.subscribe: 'pubilc'; did you mean public?", "letters swapped"},
      {"version: 1\ncollections: {posts: {subscibe: public}}",
       "r:2:23: unknown key 'posts.subscibe'; did you mean subscribe?", "a key misspelled"},
      {"version: 1\ncollections: {posts: {table: invoice}}",
       "r:2:30: posts.table must be schema.table, such as public.posts", "no schema"},
      {"version: 1\ncollections: {posts: {old: yes}}", "r:2:28: posts.old must be false or true",
       "YAML 1.1"},
      {"version: 1\ncollections: {posts: {deleted_record: all}}",
       "r:2:39: posts.deleted_record must be key or full", "no choice"},
      {"version: 1\ncollections: {posts: {hide: email}}",
       "r:2:29: posts.hide must be a list of columns, such as [email], or a map of column to who "
       "sees it", "a word"},
      {"version: 1\ncollections: {posts: {hide: [a, [b], a]}}",
       "r:2:33: posts.hide: a column's name is missing here\n"
       "r:2:38: posts.hide: 'a' stands here for the second time",
       "columns"},
      {"version: 1\ncollections: {posts: &p {}, comments: *p}",
       "r:2:22: anchors (&name) are not supported; remove it\n"
       "r:2:39: aliases (*name) are not supported; write the value again",
       "anchors"},
      {"all: nobody\ncollections: {posts: {old: 1}}\ncollections: {}\nx: y",
       "r: 'version: 1' is missing\n"
       "r:1:6: all: 'nobody' is neither public nor authenticated; who has it as a role is "
       "\"'nobody' in user.roles\"\n"
       "r:2:28: posts.old must be false or true\n"
       "r:3:1: the key 'collections' stands here for the second time\n"
       "r:4:1: unknown key 'x'",
       "all faults at once"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    CHECK(printed(row.yaml) == row.faults);
  }
}

TEST_CASE("rules file: more hidden columns than a table can have are refused at once") {
  std::string columns = "a0";
  for (int i = 1; i < 2'000; ++i) columns += ",a" + std::to_string(i);
  CHECK(posts("hide: [" + columns + "]") ==
        "r:3:17: posts.hide has more columns than a table can have");
}
