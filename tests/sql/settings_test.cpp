// Whatever a writer has set, the log holds the same.
#include <doctest/doctest.h>

#include "support/installed_database.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

const std::string odd_types = R"(
    create type mood as enum ('sad', 'gay'); create domain price as money;
    create type span as range (subtype = money);
    create type inner_pair as (m money, r regclass, f float8, b bytea);
    create type pair as (p inner_pair, l money[], x xml, t timestamptz, i interval);
    create table t (id text primary key, m money, d price, s span, p pair, q pair[], l mood[],
                    k regclass[], f float8[], b bytea, y bytea[], i interval, t timestamptz,
                    da date, x xml, j json, jb jsonb, n numeric, h hstore))";

// No literal of it hangs on a setting.
const std::string values = R"(('k', 12.5, 3, '[1,2]', (select v from v),
    (select array[v, null] from v), array['sad', null]::mood[], array['pg_class', null]::regclass[],
    array[0.1, 'NaN', 1e300]::float8[], decode('00ff', 'hex'), array[decode('00ff', 'hex')],
    '1 day 02:00', '2026-11-23 10:15:30+02', '2026-11-01', '<a>&amp;</a>', '{"a":1}', '{"b":2}',
    1.50, 'a=>1, b=>NULL'))";

const std::string one_row =
    "with v(v) as (select row(row(7.25::money, 'pg_proc'::regclass, 0.1::float8, "
    "decode('00ff', 'hex')), array[1.5, null]::numeric[]::text[]::money[], '<b/>', "
    "timestamptz '2026-11-23 10:15:30+02', interval '1 day 02:00')::pair) insert into t values " +
    values;

struct Setting {
  std::string name;
  std::string value;
};

// Each value of each setting that every role may change and that takes one of few, and odd ones of
// some of the others. exit_on_error ends a session where an exception block would go on, as
// docs/capture.md says.
std::vector<Setting> settings_of(Session& session) {
  std::vector<Setting> all{
      {"datestyle", "German"},     {"datestyle", "SQL, DMY"},   {"timezone", "Asia/Kathmandu"},
      {"extra_float_digits", "-5"}, {"search_path", "public"},  {"lc_monetary", "C.UTF-8"},
      {"lc_numeric", "C.UTF-8"},   {"lc_time", "C.UTF-8"},      {"plpgsql.extra_errors", "all"},
      {"plpgsql.extra_warnings", "all"}, {"timezone_abbreviations", "India"},
      {"default_text_search_config", "pg_catalog.german"}, {"work_mem", "64"}};
  for (const Row& row : session.run(
           "select name, v from pg_settings, unnest(case vartype when 'bool' then "
           "array['on', 'off'] else enumvals end) v where context = 'user' and vartype in ('bool', "
           "'enum') and name not like '%read_only%' and name <> 'exit_on_error' order by 1, 2"))
    all.push_back({row[0], row[1]});
  return all;
}

std::string logged(Session& session) {
  const auto rows = session.run("select action, record, new_row, old_row from pgtide.log "
                                "order by id");
  std::string text;
  for (const Row& row : rows) {
    for (const std::string& cell : row) text += cell + ' ';
    text += '\n';
  }
  return text;
}

}  // namespace

TEST_CASE("settings: whatever a writer may set, the log holds the same rows and record ids") {
  const Role owner;
  for (const bool trusted : {true, false}) {
    for (const bool altered : {false, true}) {
      CAPTURE(trusted);
      CAPTURE(altered);
      InstalledDatabase database;
      database.run("create extension hstore");
      database.run(odd_types);
      if (!trusted)
        database.run("alter type mood owner to " + owner.name() + "; alter type pair owner to " +
                     owner.name());
      REQUIRE(watch(database.url(), {.table = "t"}).ok());
      // What the capture function does not know yet it writes another way.
      if (altered) database.run("alter table t add z money default 5");
      Session session = database.session();
      const std::string change = one_row + "; update t set f = '{1}'; delete from t";
      session.run(change);
      const std::string usual = logged(session);
      CHECK_MESSAGE(usual.find("\"m\":\"$12.50\"") != std::string::npos, usual);
      const std::vector<Setting> all = settings_of(session);
      REQUIRE(all.size() > 100);
      for (const Setting& one : all) {
        session.run("truncate pgtide.log0");
        if (!session.attempt("set " + one.name + " = '" + one.value + "'").ok()) continue;
        const Outcome outcome = session.attempt(change);
        CHECK_MESSAGE(outcome.ok(), one.name << " = " << one.value << ": " << outcome.message);
        session.run("reset all");
        CHECK_MESSAGE(logged(session) == usual, one.name << " = " << one.value);
        if (!outcome.ok()) session.attempt("rollback");
      }
    }
  }
}

// The machine may have no locale but C, so that a run tells nothing of lc_monetary.
TEST_CASE("settings: lc_monetary and quote_all_identifiers are set where a row may hang on them") {
  struct Case {
    const char* column;
    const char* sets;
  };
  const Case cases[] = {
      {"money", "{lc_monetary=C}"},
      {"money[]", "{lc_monetary=C}"},
      {"price", "{lc_monetary=C}"},
      {"price[]", "{lc_monetary=C}"},
      {"span", "{lc_monetary=C}"},
      {"outer_pair[]", "{lc_monetary=C}"},
      {"regclass", "{quote_all_identifiers=off}"},
      {"mixed", "{lc_monetary=C,quote_all_identifiers=off}"},
      {"text", "NULL"},
      {"plain", "NULL"},
  };
  for (const Case& one : cases) {
    CAPTURE(std::string(one.column));
    InstalledDatabase database;
    database.run("create domain price as money; create type span as range (subtype = money); "
                 "create type pair as (a int, m price); create type outer_pair as (p pair[]); "
                 "create type mixed as (m money, r regrole); create type plain as (a int, n "
                 "numeric); create table t (id int primary key, c " + std::string(one.column) +
                 ")");
    REQUIRE(watch(database.url(), {.table = "t"}).ok());
    CHECK(database.run("select array_agg(c order by c) from pg_proc p, unnest(proconfig) c where "
                       "p.oid = 'pgtide.capture_1'::regproc and split_part(c, '=', 1) in "
                       "('lc_monetary', 'quote_all_identifiers')")[0][0] == one.sets);
  }
  InstalledDatabase database;
  CHECK(database.value("select 'lc_monetary=C' = any(proconfig) from pg_proc where oid = "
                       "'pgtide.written'::regproc") == "t");
}

// Whoever owns a watched table gives it any type, and everybody may make types.
TEST_CASE("settings: types are looked into no further than 2,000 of them, and then all are set") {
  InstalledDatabase database;
  std::string ranges, columns;
  for (int i = 0; i < 700; ++i)
    ranges += "create type r" + std::to_string(i) + " as range (subtype = int4); ";
  for (int i = 0; i < 1400; ++i)
    columns += (i == 0 ? "c" : ", c") + std::to_string(i) + " r" + std::to_string(i % 700);
  database.run(ranges + "create type wide as (" + columns + "); create table t (id int primary "
               "key, c wide); create table plain (id int4 primary key, t text, a text[])");
  CHECK(database.value("select pgtide.print_settings('t'::regclass)") ==
        "set lc_monetary = 'C' set quote_all_identifiers = off ");
  // What others make costs no table anything.
  Session session = database.session();
  session.run("begin");
  CHECK(session.value("select pgtide.print_settings('plain'::regclass)") == "");
  CHECK(session.value("select seq_scan from pg_stat_xact_sys_tables where relname = 'pg_range'")
            .value_or("none") == "0");
}

TEST_CASE("settings: a multirange, of PostgreSQL 14, is looked into as its range is") {
  InstalledDatabase database;
  if (Session(database.url()).server_version() < 140'000) return;
  database.run("create type span as range (subtype = money); create table t (id int primary key, "
               "c span_multirange[], i int4multirange)");
  database.run("create type few as range (subtype = money, multirange_type_name = lots)");
  database.run("create table u (id int primary key, c lots)");
  for (const char* table_name : {"t", "u"})
    CHECK(database.value(std::string("select pgtide.print_settings('") + table_name +
                         "'::regclass)") == "set lc_monetary = 'C' ");
}
