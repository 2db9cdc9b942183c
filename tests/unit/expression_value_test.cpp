#include <doctest/doctest.h>

#include "unit/expression_fixture.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

struct Decision {
  std::string text, expected, why;
};

template <std::size_t N>
void check_all(const Decision (&rows)[N]) {
  for (const Decision& row : rows) {
    INFO(row.why, ": ", row.text);
    CHECK(decided(row.text) == row.expected);
  }
}

}  // namespace

TEST_CASE("expression: values compare with their own kind, and exactly") {
  check_all({
      {"1 == 1.0", "true", "one number, two texts"},
      {"1e0 == 1 && 10 == 1e1 && 0.10 == 1e-1", "true", "exponents"},
      {"-0 == 0 && 0.000 == 0e5", "true", "zero has one value"},
      {"9007199254740993 == 9007199254740992", "false", "past what a double holds"},
      {"9007199254740993 > 9007199254740992", "true", "the same, ordered"},
      {"123456789012345678901234567890.1 < 123456789012345678901234567890.11", "true",
       "any length"},
      {"0.1 == 0.1000000000000000055511151231257827", "false", "a decimal is what its text shows"},
      {"-2 < -1 && -1 < 0 && 0 < 0.001 && 9 < 10", "true", "order"},
      {"1e999999999 > 1e999999998", "true", "large exponents"},
      {"double('1e1000000001') == double('1e1000000001')", "error", "too large an exponent"},
      {"record.price == 1.5", "true", "numeric"},
      {"record.author_id == 42", "true", "bigint"},
      {"record.author_id == '42'", "error", "number and text"},
      {"record.author_id != '42'", "error", "not even !="},
      {"string(record.author_id) == user.id", "true", "the mend"},
      {"record.author_id < 'a'", "error", "order across kinds"},
      {"true == 1", "error", "boolean and number"},
      {"'a' < 'b' && 'a' < 'aa' && 'Z' < 'a' && 'z' < 'é' && '\\uffff' < '\\U00010000'", "true",
       "text by code point"},
      {"true < false", "error", "booleans have no order"},
      {"1 < 2 < 3", "error", "a chained comparison"},
      {"record.at == timestamp('2026-11-23T11:15:30.500+01:00')", "true", "one moment, two zones"},
      {"record.at < timestamp('2026-11-24')", "true", "a date is midnight in UTC"},
      {"record.at == '2026-11-23T10:15:30.5+00:00'", "error", "timestamp and text"},
      {"record.d == record.d", "error", "a day compares with nothing"},
      {"record.d == '2026-11-23'", "error", "a day and a text"},
      {"timestamp(record.d) == timestamp('2026-11-23T00:00:00Z')", "true", "timestamp() reads it"},
      {"record.tags == ['a']", "error", "lists do not compare"},
      {"record.doc == record.doc", "error", "maps do not compare"},
      {"user == user", "error", "maps do not compare"},
      {"record.tags != null && record.doc != null && user != null", "true", "but with null"},
      {"record.late == 1", "error", "a row from before the column was added"},
      {"record.nowhere == 1", "error", "no column"},
      {"record == null", "error", "the whole row has no value"},
      {"nothing == 1", "error", "no variable"},
  });
}

TEST_CASE("expression: null equals null only where one is the literal") {
  check_all({
      {"record.note == null", "true", "NULL is null"},
      {"null == record.note", "true", "on either side"},
      {"record.title == null", "false", "there is a value"},
      {"record.title != null", "true", "there is a value"},
      {"record.note == record.flag", "false", "two NULLs"},
      {"record.note != record.flag", "true", "two NULLs"},
      {"record.note == 'x'", "false", "NULL and a value"},
      {"record.note != 'x'", "true", "NULL and a value"},
      {"record.flag == 5", "false", "NULL has no type to differ"},
      {"null == null", "true", "literals"},
      {"user.claims.none == null", "true", "a claim that is null"},
      {"user.claims.none == record.note", "false", "a claim's null is not the literal"},
      {"user.claims.none != record.note", "true", "a claim's null is not the literal"},
      {"record.note == (record.open ? null : 1)", "true", "the literal, through ?:"},
      {"(record.open ? null : 1) == user.claims.none", "true", "the literal, and a claim's null"},
      {"record.note == [null][0]", "true", "the literal, out of a list"},
      {"record.note < 'x'", "error", "order"},
      {"null < null", "error", "order"},
      {"!record.flag", "error", "!"},
      {"record.flag && true", "error", "&&"},
      {"record.flag ? true : true", "error", "?:"},
      {"size(record.note) == 0", "error", "size()"},
      {"record.note.contains('')", "error", "a method"},
      {"string(record.note) == ''", "error", "string()"},
      {"record.note == record.tags", "error", "lists compare with the literal only"},
      {"null in record.tags", "true", "the literal finds a NULL element"},
      {"record.note in record.tags", "false", "a NULL does not"},
      {"record.note in ['x', null]", "true", "the literal in a list"},
      {"record.note in ['x']", "false", "no literal there"},
      {"record.doc.n == null", "true", "JSON's null"},
  });
}

TEST_CASE("expression: an error is decided around where the rest decides") {
  check_all({
      {"false && record.late == 1", "false", "&&"},
      {"record.late == 1 && false", "false", "&&, the other way"},
      {"true && record.late == 1", "error", "&& that depends on it"},
      {"true || record.late == 1", "true", "||"},
      {"record.late == 1 || true", "true", "||, the other way"},
      {"false || record.late == 1", "error", "|| that depends on it"},
      {"record.late == 1 || record.late == 2 || record.open", "true", "a chain"},
      {"'x' && false", "false", "no boolean is an error"},
      {"'x' || true", "true", "no boolean is an error"},
      {"'x' && true", "error", "no boolean is an error"},
      {"!(record.late == 1)", "error", "!"},
      {"!'x'", "error", "! of a text"},
      {"record.open ? true : record.late == 1", "true", "what is not chosen does not count"},
      {"record.open ? record.late == 1 : true", "error", "what is chosen does"},
      {"'x' ? true : true", "error", "no condition"},
      {"1 in [2, record.late]", "error", "an element that is an error"},
      {"record.late in []", "error", "an error in nothing"},
  });
}

TEST_CASE("expression: members, elements and has()") {
  check_all({
      {"user.id == '42'", "true", "id"},
      {"user['id'] == '42'", "true", "the other spelling"},
      {"user.claims.team == 'red'", "true", "a claim"},
      {"user.claims['team'] == 'red'", "true", "the other spelling"},
      {"user.claims.m.x == 1", "true", "deeper"},
      {"user.claims.nope == 1", "error", "no such claim"},
      {"user.nope == 1", "error", "no such member"},
      {"has(user.claims.team)", "true", "there"},
      {"has(user.claims.none)", "true", "there, and null"},
      {"has(user.claims.nope)", "false", "not there"},
      {"has(user.claims['nope'])", "false", "the other spelling"},
      {"has(user.claims.nope.deeper)", "error", "of an error"},
      {"has(user.claims.none.deeper)", "error", "of null"},
      {"has(user.claims.team.deeper)", "error", "of a text"},
      {"has(user.id) && has(user.roles) && has(user.claims)", "true", "the user's own"},
      {"has(user.nope)", "false", "not the user's"},
      {"has(record.note)", "true", "a column exists, NULL or not"},
      {"has(record.late)", "true", "also in an older row"},
      {"has(record.doc.k) && !has(record.doc.z)", "true", "a key"},
      {"record.doc.k == 1 && record.doc['sub'].deep == 'v'", "true", "into json"},
      {"record.doc.sub.q == true", "true", "a key that is escaped in the row"},
      {"record.doc['é'] == 'ü'", "true", "beyond ASCII"},
      {"record.doc.list[0] == 1 && record.doc.list[2][0] == 2", "true", "elements"},
      {"record.doc.list[1.0] == 'x'", "true", "1.0 is 1"},
      {"record.doc.list[0.5] == 1", "error", "no whole number"},
      {"record.doc.list[-1] == 1", "error", "before the first"},
      {"record.doc.list[3] == 1", "error", "after the last"},
      {"record.doc.list['0'] == 1", "error", "a text"},
      {"record.doc[record.title] == 1", "error", "a key that is not there"},
      {"record.tags[1] == 'b'", "true", "an array"},
      {"record.title[0] == 'H'", "error", "a text has no elements"},
      {"user.roles[0] == 'admin'", "true", "roles"},
      {"[1, 'x', record.title][2] == 'Hi there'", "true", "a list that is written out"},
      {"record[user.id] == 1", "error", "columns are named by literals"},
  });
}

TEST_CASE("expression: in") {
  check_all({
      {"'admin' in user.roles", "true", "roles"},
      {"'nobody' in user.roles", "false", "roles"},
      {"5 in user.roles", "error", "another type"},
      {"'a' in record.tags", "true", "an array"},
      {"2 in record.numbers", "true", "2.0 is 2"},
      {"'a' in record.numbers", "error", "another type"},
      {"'x' in record.doc.list", "true", "what equals wins over what does not compare"},
      {"'y' in record.doc.list", "error", "nothing wins"},
      {"record.author_id in [1, 42]", "true", "a list that is written out"},
      {"record.author_id in ['42', 42]", "true", "what equals wins"},
      {"record.author_id in ['42']", "error", "another type"},
      {"record.author_id in []", "false", "nothing in there"},
      {"'k' in record.doc", "true", "a key"},
      {"'z' in record.doc", "false", "no key"},
      {"1 in record.doc", "error", "keys are text"},
      {"'x' in user.claims.m", "true", "a claim's key"},
      {"'i' in record.title", "error", "a text is no list"},
      {"'x' in record.note", "error", "NULL is no list"},
      {"[1] in [null]", "false", "a list and the literal null"},
      {"[1] in [1]", "error", "lists do not compare"},
      {"double('NaN') in record.numbers", "false", "NaN equals nothing"},
  });
}

TEST_CASE("expression: functions") {
  check_all({
      {"size('') == 0 && size('aé😀') == 3 && 'abc'.size() == 3", "true", "code points"},
      {"size(record.tags) == 3 && size([]) == 0 && size(record.doc) == 5", "true", "lists, maps"},
      {"size(user.roles) == 2", "true", "roles"},
      {"size(5) == 1", "error", "a number"},
      {"string(1.50) == '1.50' && string(1e3) == '1e3'", "true", "a number as it is written"},
      {"string(record.price) == '1.50'", "true", "a number as JSON shows it"},
      {"string(true) == 'true' && string('a') == 'a'", "true", "boolean, text"},
      {"string(record.at) == '2026-11-23T10:15:30.5Z'", "true", "timestamp"},
      {"string(record.d) == '2026-11-23'", "true", "day"},
      {"string(record.tags) == ''", "error", "a list"},
      {"int(1.9) == 1 && int(-1.9) == -1 && int('-12') == -12", "true", "towards zero"},
      {"int(9223372036854775807) == 9223372036854775807", "true", "the largest"},
      {"int(-9223372036854775808.9) == -9223372036854775808", "true", "the least"},
      {"int(9223372036854775808) == 0", "error", "out of range"},
      {"int(1e100) == 0", "error", "out of range"},
      {"int('1.5') == 1", "error", "no integer's text"},
      {"int('') == 0", "error", "empty"},
      {"int(record.at) == 1795428930", "true", "seconds since 1970"},
      {"int(timestamp('1969-12-31T23:59:59.5Z')) == -1", "true", "seconds before 1970"},
      {"int(true) == 1", "error", "boolean"},
      {"string(int(2.5)) == '2'", "true", "a number of our own has a text"},
      {"double('1.5e1') == 15 && double(2) == 2", "true", "double()"},
      {"double('x') == 1", "error", "no number"},
      {"double(record.at) == 1", "error", "timestamp"},
      {"record.title.startsWith('Hi') && record.title.endsWith('re')", "true", "the ends"},
      {"record.title.contains('i t') && record.title.contains('')", "true", "inside"},
      {"record.title.contains('z')", "false", "not inside"},
      {"record.title.contains(5)", "error", "a number"},
      {"record.title.matches('^Hi') && record.title.matches('t.e')", "true", "anywhere"},
      {"record.title.matches('^there')", "false", "anchored"},
      {"record.title.matches('(?i)HI')", "true", "without regard to case"},
      {"timestamp(record.at) == record.at", "true", "itself"},
      {"timestamp('soon') == record.at", "error", "no timestamp"},
      {"timestamp(5) == record.at", "error", "a number"},
      {R"('\x41\u00e9\\' == r'Aé\' && "it's" == 'it\'s')", "true", "escapes"},
  });
}
