#include <doctest/doctest.h>

#include "unit/expression_fixture.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

std::shared_ptr<const Predicate> remaining(std::string_view text, const Principal* user) {
  const Parsed result = parsed(text);
  REQUIRE_MESSAGE(result.expression, result.faults);
  return Predicate::specialize(*result.expression, user);
}

// The text, or the outcome where no record decides.
std::string remains(std::string_view text, const Principal* user) {
  const auto predicate = remaining(text, user);
  switch (predicate->outcome()) {
    case Predicate::Outcome::always:
      return "always";
    case Predicate::Outcome::never:
      return "never";
    case Predicate::Outcome::by_record:
      return predicate->text();
  }
  return "";
}

std::string terms_of(const Predicate& predicate) {
  static const char* const names[] = {"", "string ", "element "};
  std::string out;
  for (const IndexTerm& term : predicate.terms()) {
    out += names[static_cast<std::size_t>(term.dimension.of)] + term.dimension.column + "=" +
           term.key + " ";
  }
  return out + (predicate.terms_suffice() ? "suffice" : "");
}

std::string keys_of(std::string_view column, IndexDimension::Of of,
                    std::string_view json = every_kind_row) {
  const auto row = Row::parse(json);
  const RecordShape shape = every_kind();
  std::vector<std::string> keys;
  append_index_keys(keys, {&*row, &shape}, {std::string(column), of});
  std::string out;
  for (const std::string& key : keys) out += key + " ";
  return out;
}

}  // namespace

TEST_CASE("predicate: what the user decides is decided once") {
  const Principal user = ada();
  struct {
    std::string text, expected, why;
  } const rows[] = {
      {"'admin' in user.roles || record.open", "always", "a role"},
      {"'guest' in user.roles && record.open", "never", "no role"},
      {"'guest' in user.roles || record.open", "record.open", "what is left"},
      {"string(record.author_id) == user.id", "string(record.author_id) == '42'", "the id"},
      {"user.id == string(record.author_id)", "string(record.author_id) == '42'", "turned round"},
      {"3 < record.id", "record.id > 3", "turned round, with its operator"},
      {"record.id >= user.claims.level", "record.id >= 3", "a claim"},
      {"record.title in user.roles", "record.title in ['admin', 'editor']", "a list"},
      {"record.title in user.claims.m", "record.title in <{\"x\":1}>", "a map"},
      {"record.title == user.claims.nope", "never", "a missing claim"},
      {"record.title == user.claims.nope || record.open", "record.open", "an error, in ||"},
      {"!(record.title == user.claims.nope) || record.open", "record.open", "under !"},
      {"record.title == user.claims.none", "never", "a claim's null equals no column"},
      {"record.title != user.claims.none", "record.title != <null>", "and is not the literal"},
      {"record.title != null", "record.title != null", "the literal"},
      {"(record.open ? null : 1) == user.claims.none", "(record.open ? null : 1) == <null>",
       "the literal may come out of a branch"},
      {"(record.open ? null : 1) in [user.claims.none]", "(record.open ? null : 1) in [<null>]",
       "and be in a list"},
      {"(true && size(record.title)) == true", "(size(record.title) && true) == true",
       "a number is no boolean"},
      {"!(record.open && user.claims.nope)", "!(record.open && <error>)", "an error inside stays"},
      {"!(record.open || user.claims.nope)", "!(record.open || <error>)", "an error inside stays"},
      {"(true && record.open) == true", "(record.open && true) == true",
       "what may be no boolean needs its neighbour"},
      {"(true && record.id == 1) == true", "record.id == 1 == true", "what is one does not"},
      {"user.id == '42' ? record.open : record.flag", "record.open", "a chosen branch"},
      {"record.open ? user.id == 'x' : true", "record.open ? false : true", "inside a branch"},
      {"record.open && (record.flag && record.doc)", "record.open && record.flag && record.doc",
       "flat"},
      {"(record.open || record.flag) && record.doc", "(record.open || record.flag) && record.doc",
       "parentheses"},
      {"record.at > timestamp('2026-11-23 11:00+01')",
       "record.at > timestamp('2026-11-23T10:00:00Z')", "a moment"},
      {"record.id == 1.00", "record.id == 1", "a number, shortest"},
      {"record.id in [10e-1, 2.50]", "record.id in [1, 2.5]", "numbers, shortest"},
      {"string(record.open ? 1.0 : 1) == '1.0'", "string(record.open ? 1.0 : 1) == '1.0'",
       "a number whose text is asked for"},
      {"record['a b'] == 'it\\'s'", "record['a b'] == 'it\\'s'", "quotes"},
      {"record.id == double('NaN')", "never", "NaN equals nothing"},
      {"record.id in [double('NaN')]", "never", "nor does a list of it"},
      {"record.id in []", "never", "nothing in there"},
      {"record.id", "record.id", "no boolean, but that only a record says"},
      {"'x'", "never", "no boolean"},
      {"user == null", "never", "somebody"},
  };
  for (const auto& row : rows) {
    INFO(row.why, ": ", row.text);
    CHECK(remains(row.text, &user) == row.expected);
  }
}

TEST_CASE("predicate: nobody has no members") {
  CHECK(remains("user == null || record.open", nullptr) == "always");
  CHECK(remains("string(record.author_id) == user.id", nullptr) == "never");
  CHECK(remains("user != null && user.id == 'x' || record.open", nullptr) == "record.open");
  CHECK(remains("has(user.id) || record.open", nullptr) == "record.open");
}

TEST_CASE("predicate: an index finds what can hold") {
  const Principal user = ada();
  struct {
    std::string text, expected, why;
  } const rows[] = {
      {"record.id == 7", "id=n7 suffice", "a number"},
      {"7.0 == record.id", "id=n7 suffice", "the same, turned round"},
      {"record.title == '7'", "title=t7 suffice", "a text is no number"},
      {"record.open == true", "open=b1 suffice", "a boolean"},
      {"record.open", "open=b1 suffice", "a boolean by itself"},
      {"!record.open", "open=b0 suffice", "its negation"},
      {"record.note == null", "note=0 suffice", "NULL"},
      {"record.at == timestamp('1970-01-01T00:00:01Z')", "at=i1000000 suffice", "a moment"},
      {"string(record.author_id) == user.id", "string author_id=t42 suffice", "string()"},
      {"string(record.author_id) in user.roles",
       "string author_id=tadmin string author_id=teditor suffice", "string() in a list"},
      {"record.id in [3, 1, 1.0, 'x', null, [1], double('NaN')]", "id=0 id=n1 id=n3 id=tx suffice",
       "each once; what equals nothing is left out"},
      {"record.title in ['x', user.claims.none]", "title=tx suffice", "nor is a claim's null"},
      {"'a' in record.tags", "element tags=ta suffice", "an element"},
      {"null in record.tags", "element tags=0 suffice", "a NULL element"},
      {"record.id == 1 || record.title == 'x'", "id=n1 title=tx suffice", "||"},
      {"record.id == 1 || record.price > 5", "", "one part cannot be found"},
      {"record.price > 5 && record.id in [1, 2] && record.author_id == 4", "author_id=n4 ",
       "the fewest"},
      {"record.open && record.id in [1, 2]", "id=n1 id=n2 ", "booleans are frequent"},
      {"(record.id == 1 && record.open) || record.id == 2", "id=n1 id=n2 ", "&& inside ||"},
      {"record.id != 1", "", "!="},
      {"record.id < 1", "", "order"},
      {"!(record.id == 1)", "", "a negated equality"},
      {"record.id == record.author_id", "", "two columns"},
      {"record.doc.k == 1", "", "into json"},
      {"record.open ? record.id == 1 : record.id == 2", "", "?:"},
      {"true", "", "always"},
  };
  for (const auto& row : rows) {
    INFO(row.why, ": ", row.text);
    CHECK(terms_of(*remaining(row.text, &user)) == row.expected);
  }
}

TEST_CASE("predicate: a list of more than a thousand constants is looked through") {
  const auto of = [](int count) {
    std::string list = "record.id in [0";
    for (int n = 1; n < count; ++n) list += "," + std::to_string(n);
    return list + "]";
  };
  const ExpressionLimits limits{100'000, 64, 10'000, 1, 1};
  const auto terms_of = [&](int values) {
    const auto text = parsed(of(values), limits);
    return Predicate::specialize(*text.expression, nullptr)->terms().size();
  };
  CHECK(terms_of(1'000) == 1'000);
  CHECK(terms_of(1'001) == 0);
}

TEST_CASE("predicate: the keys of a record are of its values") {
  using enum IndexDimension::Of;
  CHECK(keys_of("id", value) == "n7 ");
  CHECK(keys_of("price", value) == "n1.5 ");
  CHECK(keys_of("price", text) == "t1.50 ");
  CHECK(keys_of("title", value) == "tHi there ");
  CHECK(keys_of("open", value) == "b1 ");
  CHECK(keys_of("note", value) == "0 ");
  CHECK(keys_of("note", text) == "");
  CHECK(keys_of("at", value) == "i1795428930500000 ");
  CHECK(keys_of("at", text) == "t2026-11-23T10:15:30.5Z ");
  CHECK(keys_of("d", value) == "");
  CHECK(keys_of("d", text) == "t2026-11-23 ");
  CHECK(keys_of("tags", value) == "");
  CHECK(keys_of("tags", element) == "ta tb 0 ");
  CHECK(keys_of("numbers", element) == "n1 n2 0 ");
  CHECK(keys_of("days", element) == "");
  CHECK(keys_of("doc", element) == "tk tn tlist tsub té ");
  CHECK(keys_of("title", element) == "");
  CHECK(keys_of("late", value) == "");
  CHECK(keys_of("nowhere", value) == "");
  CHECK(keys_of("price", value, R"({"price":"NaN"})") == "");
  CHECK(keys_of("price", value, R"({"price":"-Infinity"})") == "n-Infinity ");
  CHECK(keys_of("price", value, R"({"price":"12"})") == "n12 ");
  CHECK(keys_of("price", value, R"({"price":"x"})") == "");
}

TEST_CASE("predicate: both are one") {
  const Principal user = ada();
  const auto rule = remaining("record.open", &user), filter = remaining("record.id == 7", &user);
  const auto both = Predicate::both(rule, filter);
  CHECK(both->text() == "record.open && record.id == 7");
  CHECK(terms_of(*both) == "id=n7 ");
  CHECK(Predicate::both(nullptr, filter) == filter);
  CHECK(Predicate::both(rule, nullptr) == rule);
  CHECK(Predicate::both(nullptr, nullptr) == nullptr);
  CHECK(Predicate::both(remaining("true", &user), filter)->text() == "record.id == 7");
  CHECK(Predicate::both(remaining("'x'", &user), filter)->outcome() == Predicate::Outcome::never);
}

