#include "config/case_file.hpp"

#include <doctest/doctest.h>

#include "config/user_text.hpp"
#include "config/yaml_json.hpp"

using namespace pgtide;

namespace {

std::string printed(const std::string& word, const std::optional<CaseRow>& row) {
  if (!row) return "";
  std::string out;
  for (const CaseColumn& column : row->columns) {
    out += (out.empty() ? "" : ",") + column.name + "=" + column.json;
  }
  return " " + word + "(" + out + ")";
}

std::string printed(const std::optional<Principal>& user) {
  if (!user) return " anonymous";
  std::string out = " " + user->id;
  for (const std::string& role : user->roles) out += "+" + role;
  return out + user->claims;
}

// Cases as one text, a line each, or the faults.
std::string cases_in(const std::string& yaml) {
  const auto parsed = parse_cases(yaml);
  if (const auto* faults = std::get_if<1>(&parsed)) return to_string("c", *faults);
  std::string out;
  for (const RuleCase& one : std::get<0>(parsed)) {
    out += (out.empty() ? "" : "\n") + std::to_string(one.place.line) + ":" +
           std::to_string(one.place.column) + " " + one.name + ":" + printed(one.user) + " " +
           to_string(one.pattern) + " of " + one.collection;
    if (one.filter) out += " filter(" + *one.filter + ")";
    if (one.has_change()) out += " " + std::string(to_string(one.action));
    out += printed("old", one.old) + printed("row", one.row) + " -> " + one.expected;
    if (!one.columns) continue;
    for (const std::string& column : *one.columns) out += " " + column;
  }
  return out;
}

// One case whose name and place are given.
std::string one_case(const std::string& keys) {
  return cases_in("version: 1\ncases:\n - name: n\n" + keys);
}

std::string user_in(const std::string& text) {
  const auto parsed = parse_user(text);
  if (const auto* faults = std::get_if<1>(&parsed)) return to_string("u", *faults);
  return printed(std::get<0>(parsed));
}

std::string json_in(const std::string& yaml) {
  std::vector<FileFault> faults;
  std::string text = to_json(parse_yaml(yaml).root, faults);
  return faults.empty() ? text : to_string("y", faults);
}

}  // namespace

TEST_CASE("case file: every key is read") {
  CHECK(cases_in("version: 1\n"
              "cases:\n"
              "  - name: an author sees his draft\n"
              "    user: {id: \"17\", roles: [editor], claims: {team: 3}}\n"
              "    pattern: posts.*\n"
              "    action: update\n"
              "    old: {id: 1, author_id: 17}\n"
              "    row: {id: 1, author_id: 17, title: x}\n"
              "    filter: record.id > 0\n"
              "    expect: update\n"
              "    columns: [title, id]\n"
              "  - {name: visitor, pattern: posts.1, expect: denied}\n"
              "  - {name: all, user: null, pattern: \"*\", collection: posts, action: delete,\n"
              "     old: {id: 1}, expect: nothing}\n") ==
        "3:5 an author sees his draft: 17+editor{\"team\":3} posts.* of posts "
        "filter(record.id > 0) update old(id=1,author_id=17) row(id=1,author_id=17,title=\"x\") -> "
        "update id title\n"
        "12:5 visitor: anonymous posts.1 of posts -> denied\n"
        "13:5 all: anonymous * of posts delete old(id=1) -> nothing");
}

TEST_CASE("case file: all faults are told at once, each with its place") {
  CHECK(cases_in("version: 2\ncase: []\ncases:\n"
              " - {name: n, pattern: 'a b.*', expect: created, usr: 1, user: {id: true}}\n"
              " - 5\n"
              " - {pattern: posts.*, expect: create}\n") ==
        "c:1:10: version must be 1, the only one there is\n"
        "c:2:1: unknown key 'case'; did you mean cases?\n"
        "c:4:23: " + std::get<1>(parse_cases("version: 1\ncases:\n - {name: n, pattern: 'a b.*', "
                                             "expect: denied}")).front().message + "\n"
        "c:4:40: expect must be one of denied, nothing, create, update, delete, custom; not "
        "'created'\n"
        "c:4:49: unknown key 'usr'; did you mean user?\n"
        "c:4:68: id must be a text that is not empty, or a whole number\n"
        "c:5:4: a case is a map with the keys name, pattern and expect, and others\n"
        "c:6:4: the case has no 'name'\n"
        "c:6:31: nothing changes in this case: write `row`, for an update `old` too, for a delete "
        "`old` alone");
  CHECK(cases_in("version: 1\ncases:\n - {user: null, filter: a}\n") ==
        "c:3:4: the case has no 'name', 'pattern', 'expect'");
  CHECK(cases_in("") == "c: the file must hold keys: 'version: 1' and 'cases:'");
  CHECK(cases_in("version: 1\ncases: []\n") == "c:2:8: cases must be a list of at least one case");
  CHECK(cases_in("cases:\n - {name: n, pattern: '*', expect: denied}\n") ==
        "c: 'version: 1' is missing");
}

TEST_CASE("case file: what cannot be true at once is a fault") {
  struct Row {
    const char* keys;
    const char* fault;
  };
  const Row rows[] = {
      {"   pattern: posts.*\n   expect: create\n",
       "c:5:12: nothing changes in this case: write `row`, for an update `old` too, for a delete "
       "`old` alone"},
      {"   pattern: posts.*\n   action: update\n   row: {id: 1}\n   expect: update\n",
       "c:3:4: the action update needs 'old'"},
      {"   pattern: posts.*\n   old: {id: 1}\n   row: {id: 1}\n   expect: update\n",
       "c:5:4: the action create has no 'old', only 'row'; write `action: update`"},
      {"   pattern: posts.*\n   action: delete\n   old: {id: 1}\n   row: {id: 1}\n"
       "   expect: delete\n",
       "c:7:4: the action delete has no 'row', only 'old'"},
      {"   pattern: \"*\"\n   row: {id: 1}\n   expect: create\n",
       "c:3:4: of which collection is the row? * does not say; write `collection: ...`"},
      {"   pattern: posts.*\n   collection: news\n   row: {id: 1}\n   expect: create\n",
       "c:5:16: the pattern is of another collection; leave `collection` out"},
      {"   pattern: posts.*\n   row: {id: 1}\n   expect: nothing\n   columns: [id]\n",
       "c:7:4: `columns` where nothing is expected to come; leave it out"},
      {"   pattern: posts.*\n   row: [1]\n   expect: nothing\n",
       "c:5:9: row must be a map of columns, such as {id: 1, title: x}"},
      {"   pattern: posts.*\n   row: {id: 1, id: 2}\n   expect: nothing\n",
       "c:5:17: the key 'id' stands here for the second time"},
      {"   pattern: posts.*\n   row: {id: 0xffffffffffffffffff}\n   expect: nothing\n",
       "c:5:14: '0xffffffffffffffffff' does not fit into 64 bits; write it in decimal"},
  };
  for (const Row& row : rows) CHECK(one_case(row.keys) == row.fault);
}

TEST_CASE("case file: a user is written in JSON or in YAML, and whole numbers are ids") {
  CHECK(user_in(R"({"id":17,"roles":["editor"],"claims":{"team":3,"x":[1.50,null]}})") ==
        R"( 17+editor{"team":3,"x":[1.50,null]})");
  CHECK(user_in("id: ann") == " ann{}");
  CHECK(user_in("{id: \"17\"}") == " 17{}");
  CHECK(user_in("null") == " anonymous");
  CHECK(user_in("[]") ==
        "u:1:1: a user is a map such as {id: \"17\", roles: [editor], claims: {team: 3}}, or null");
  CHECK(user_in("{roles: editor, claims: [], name: x}") ==
        "u:1:1: a user needs an id; an anonymous one is null\n"
        "u:1:9: roles must be a list, such as [editor]\n"
        "u:1:25: claims must be a map, such as {team: 3}\n"
        "u:1:29: unknown key 'name'");
  for (const char* id : {"''", "1.5", "true", "[1]", "null"}) {
    CAPTURE(id);
    CHECK(user_in("{id: " + std::string(id) + "}").find("id must be a text") != std::string::npos);
  }
}

TEST_CASE("case file: values are what YAML 1.2's core schema says") {
  struct Row {
    const char* yaml;
    const char* json;
  };
  const Row rows[] = {
      {"null", "null"},
      {"~", "null"},
      {"", "null"},
      {"true", "true"},
      {"False", "false"},
      {"yes", "\"yes\""},
      {"17", "17"},
      {"-17", "-17"},
      {"+17", "17"},
      {"007", "7"},
      {"0", "0"},
      {"000", "0"},
      {"9007199254740993", "9007199254740993"},
      {"123456789012345678901234567890", "123456789012345678901234567890"},
      {"1.50", "1.50"},
      {".5", "0.5"},
      {"-5.", "-5"},
      {"1e5", "1e5"},
      {"1.0E-05", "1.0e-05"},
      {"1e", "\"1e\""},
      {".", "\".\""},
      {"-", "[null]"},
      {"0x1F", "31"},
      {"0o17", "15"},
      {"0o8", "\"0o8\""},
      {"-.inf", "\"-Infinity\""},
      {".NaN", "\"NaN\""},
      {"2026-11-23", "\"2026-11-23\""},
      {"\"17\"", "\"17\""},
      {"'true'", "\"true\""},
      {"\"null\"", "\"null\""},
      {"it's", "\"it's\""},
      {"[1, x, [], {}]", "[1,\"x\",[],{}]"},
      {"{a: {\"b c\": null}, 1: two}", "{\"a\":{\"b c\":null},\"1\":\"two\"}"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.yaml);
    CHECK(json_in(row.yaml) == row.json);
  }
}
