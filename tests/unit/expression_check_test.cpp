#include <doctest/doctest.h>

#include "unit/expression_fixture.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

std::string checked(std::string_view text, const Scope& scope) {
  const Parsed result = parsed(text);
  return result.expression ? said(result.expression->check(scope)) : result.faults;
}

struct Finding {
  std::string text, faults, why;
};

}  // namespace

TEST_CASE("checker: names are known, or the nearest known one is named") {
  const RecordShape shape = every_kind();
  const Finding rows[] = {
      {"record.titel == 'x'", "0: there is no column 'titel'; did you mean title?", "a column"},
      {"record['titel'] == 'x'", "0: there is no column 'titel'; did you mean title?", "the same"},
      {"has(record.zzz)", "4: there is no column 'zzz'", "nothing near"},
      {"usr.id == 'x'", "0: there is no variable 'usr'; did you mean user?", "a variable"},
      {"title == 'x'", "0: there is no variable 'title': write record.title", "a bare column"},
      {"q == 'x'", "0: there is no variable 'q'; columns are record.NAME", "nothing near"},
      {"record.title == NULL || record.open == True",
       "16: there is no variable 'NULL': write null\n"
       "39: there is no variable 'True': write true",
       "constants are small"},
      {"user.role == 'x'", "5: user has no 'role'; did you mean roles?", "a member"},
      {"user.email == 'x'",
       "5: user has no 'email'; there are id, roles, claims; a claim is user.claims.NAME",
       "a claim"},
      {"has(user.email)",
       "9: user has no 'email'; there are id, roles, claims; a claim is user.claims.NAME", "has()"},
      {"record == null",
       "0: `record` is the whole row: name a column, as in record.id or record['id']", "the row"},
      {"record[user.id] == 1", "7: a column is named by a text between quotes: record['id']",
       "dynamic"},
      {"user[record.title] == 1", "5: write user.id, user.roles or user.claims", "dynamic"},
      {"record.titel == 'x' && usr.id == 'x' || record.nope",
       "0: there is no column 'titel'; did you mean title?\n"
       "23: there is no variable 'usr'; did you mean user?\n"
       "40: there is no column 'nope'; did you mean note?",
       "all at once"},
  };
  for (const auto& row : rows) {
    INFO(row.why, ": ", row.text);
    CHECK(checked(row.text, {true, &shape}) == row.faults);
  }
}

TEST_CASE("checker: a variable has its places") {
  const RecordShape shape = every_kind();
  const std::string no_record =
      ": `record` has no place here: this is decided before there is a row; `where` asks about "
      "rows";
  CHECK(checked("record.id == 1", {true, nullptr}) == "0" + no_record);
  CHECK(checked("true || record == 1", {true, nullptr}) == "8" + no_record);
  CHECK(checked("record['id'] == 1 && has(record.x)", {true, nullptr}) ==
        "0" + no_record + "\n25" + no_record);
  CHECK(checked("other", {true, nullptr}) == "0: there is no variable 'other'; there is user");
  const std::string no_user = ": `user` has no place here: a filter asks about the record alone";
  CHECK(checked("user.id == 'x'", {false, &shape}) == "0" + no_user);
  CHECK(checked("user != null || has(user.claims.x)", {false, &shape}) ==
        "0" + no_user + "\n20" + no_user);
  CHECK(checked("'admin' in user.roles", {true, nullptr}) == "");
}

TEST_CASE("checker: of custom events every name is possible") {
  RecordShape open;
  open.open = true;
  CHECK(checked("record.anything == 1 && record.other.deeper == 'x'", {false, &open}) == "");
}

TEST_CASE("checker: types that never go together are faults, with the mend") {
  const RecordShape shape = every_kind();
  const Finding rows[] = {
      {"record.author_id == user.id",
       "17: author_id is bigint, user.id is text: write string(record.author_id) == user.id", "=="},
      {"user.id != record.author_id",
       "8: user.id is text, author_id is bigint: write user.id != string(record.author_id)", "!="},
      {"record.title == 5", "13: title is text, 5 is number: write record.title == '5'",
       "a literal"},
      {"record.author_id == '5'",
       "17: author_id is bigint, '5' is text: write record.author_id == 5", "a literal"},
      {"'x' == record.author_id",
       "4: 'x' is text, author_id is bigint: write 'x' == string(record.author_id)", "a literal"},
      {"record.price <= '20000'",
       "13: price is numeric, '20000' is text: write record.price <= 20000", "order of a literal"},
      {"'-1.5' < record.price",
       "7: '-1.5' is text, price is numeric: write -1.5 < record.price", "order of a literal"},
      {"record.price < record.title",
       "13: price is numeric, title is text: values of two types do not compare", "order"},
      {"record.title > 5", "13: title is text, 5 is number: values of two types do not compare",
       "order"},
      {"record.at > '2026-01-01'",
       "10: at is timestamp with time zone, '2026-01-01' is text: write record.at > "
       "timestamp('2026-01-01')",
       "a moment's text"},
      {"record.open == 'true'",
       "12: open is boolean, 'true' is text: values of two types do not compare", "no mend"},
      {"record.d == '2026-01-01'",
       "9: d is date, which no zone makes a moment: write timestamp(record.d)", "a day"},
      {"record.d < timestamp('2026-01-01')",
       "9: d is date, which no zone makes a moment: write timestamp(record.d)", "order of a day"},
      {"record.d != null && timestamp(record.d) < record.at && string(record.d) == 'x'", "",
       "what a day can"},
      {"record.tags == ['a']",
       "12: tags is text[]: a list compares with null only; write x in record.tags", "a list"},
      {"user.claims == 5", "12: user.claims is map: it compares with null only", "a map"},
      {"record.tags == null && user.claims != null && user != null", "", "with null"},
      {"record.title == null && null == record.author_id", "", "with null"},
      {"record.title < null", "13: this is null: it has no order", "order of null"},
      {"record.open < true", "12: open is boolean: it has no order", "order of booleans"},
      {"1 < 2 < 3", "6: 1 < 2 is boolean: it has no order", "a chain"},
      {"record.doc == 5 && record.doc < 'x' && record.doc.k == true", "", "json is what it holds"},
      {"record.price == record.author_id && record.price < 1.5", "", "all numbers compare"},
      {"record.author_id in user.roles",
       "17: author_id is bigint, user.roles is list: write string(record.author_id) in user.roles",
       "in a list"},
      {"record.author_id in [1, '2', null, record.title]",
       "24: author_id is bigint, '2' is text: write record.author_id == 2\n"
       "35: author_id is bigint, title is text: write string(record.author_id) == record.title",
       "in a written list"},
      {"5 in record.tags", "2: 5 is number, tags is text[]: write '5' in record.tags", "an array"},
      {"5 in user.claims", "2: 5 is number: the keys of a map are text", "a map"},
      {"'x' in record.title",
       "4: title is text: 'in' looks into a list or a map; write record.title.contains('x')",
       "a text"},
      {"record.d in record.days", "9: days is date[]: its elements compare with null only", "days"},
      {"null in record.days && 'a' in record.tags && record.note in record.tags", "", "fine"},
  };
  for (const auto& row : rows) {
    INFO(row.why, ": ", row.text);
    CHECK(checked(row.text, {true, &shape}) == row.faults);
  }
}

TEST_CASE("checker: operators and functions take their types") {
  const RecordShape shape = every_kind();
  const Finding rows[] = {
      {"record.title", "0: title is text: a rule takes true or false", "a rule that is text"},
      {"user.roles", "5: user.roles is list: a rule takes true or false", "a rule that is a list"},
      {"null", "0: this is null: a rule takes true or false", "a rule that is null"},
      {"record.open", "", "a boolean column"},
      {"record.doc", "", "may hold a boolean"},
      {"!record.title", "1: title is text: ! takes true or false", "!"},
      {"record.open && record.title || 5",
       "15: title is text: && takes true or false\n31: 5 is number: || takes true or false", "&&"},
      {"record.title ? true : false", "0: title is text: ? takes true or false", "?"},
      {"record.open ? 'a' : 'b'", "12: record.open ? 'a' : 'b' is text: a rule takes true or false",
       "both results"},
      {"record.open ? 'a' : true", "", "one of the results"},
      {"record.title.x == 1", "13: title is text: it has no 'x'", "a member"},
      {"record.author_id[0] == 1", "17: author_id is bigint: it has no elements", "an element"},
      {"record.tags['a'] == 'x'", "12: tags is text[]: it has no 'a'", "a key of a list"},
      {"record.tags[user.id] == 'x'", "12: user.id is text: a list is indexed by a number, from 0",
       "an index"},
      {"record.tags[0] == 5",
       "15: record.tags[0] is text, 5 is number: write record.tags[0] == '5'", "an element's type"},
      {"user.claims[5] == 1", "12: 5 is number: the keys of a map are text", "a key"},
      {"has(record.title.x)", "17: title is text: has() looks into a map", "has()"},
      {"size(record.author_id) == 1",
       "0: author_id is bigint: size() takes a text, a list or a map", "size()"},
      {"string(record.tags) == 'x'",
       "0: tags is text[]: string() takes a number, true or false, a text, a date or a timestamp",
       "string()"},
      {"int(record.open) == 1", "0: open is boolean: int() takes a number, a text or a timestamp",
       "int()"},
      {"double(record.at) == 1",
       "0: at is timestamp with time zone: double() takes a number or a text", "double()"},
      {"timestamp(record.id) == record.at",
       "0: id is bigint: timestamp() takes a text, a date or a timestamp", "timestamp()"},
      {"record.author_id.contains('x')", "17: author_id is bigint: contains() takes text",
       "a method"},
      {"record.title.contains(5)", "13: 5 is number: contains() takes text", "an argument"},
      {"record.tags.contains('x')", "12: tags is text[]: write 'x' in record.tags", "a list"},
      {"int(record.title) == 5 && string(record.id) == user.id && record.title.size() == 2", "",
       "what they make"},
  };
  for (const auto& row : rows) {
    INFO(row.why, ": ", row.text);
    CHECK(checked(row.text, {true, &shape}) == row.faults);
  }
}
