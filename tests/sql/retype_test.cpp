// Columns whose type is changed, in sessions that have the plans for the old one: each row after it
// is logged as it is, and clients are told at the next look.
#include <doctest/doctest.h>

#include "support/installed_database.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

struct Kind {
  const char* type;
  const char* value;
};

const Kind kinds[] = {
    {"int", "7"},
    {"bigint", "9007199254740993"},
    {"numeric(6,1)", "2.5"},
    {"text", "tx"},
    {"varchar(10)", "vc"},
    {"char(5)", "ch"},
    {"date", "2026-01-02"},
    {"bytea", "abc"},
    {"mood", "sad"},
    {"code", "cc"},
    {"uuid", "00000000-0000-0000-0000-000000000001"},
};
// Those that are no key of pgtide's own.
const Kind values_only[] = {
    {"jsonb", R"({"a":1})"},
    {"json", R"({"a": 1})"},
    {"int[]", "{1,2}"},
    {"mood[]", "{sad}"},
    {"pair", "(1,x)"},
    {"pair[]", R"x({"(1,x)"})x"},
    {"timestamptz", "2026-01-02"},
};

// From the first kind through the others so that each comes after each other one once.
std::vector<Kind> tour(const std::vector<Kind>& all) {
  std::vector<Kind> steps;
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = i + 1; j < all.size(); ++j) {
      steps.push_back(all[i]);
      steps.push_back(all[j]);
    }
  }
  steps.push_back(all.front());
  return steps;
}

struct Retyped {
  Retyped() : own(database.session()), old(database.session()) {
    own.run("create type mood as enum ('sad'); create domain code as text; "
            "create type pair as (a int, b text)");
  }
  // An insert, two updates and a delete, each logged as the row was.
  void check(Session& session, const std::string& id, const std::string& value) {
    for (const std::string& change : {"insert into t values ('" + id + "', '" + value + "')",
                                      std::string("update t set n = 1"),
                                      std::string("update t set n = 2")}) {
      session.run(change);
      CHECK(session.run("select count(*) from t, pgtide.log0 l where l.action in ('c', 'u') and "
                        "l.record = concat(t.id) and l.new_row::text = to_json(t)::text") ==
            std::vector<Row>{{"1"}});
      session.run("delete from pgtide.log0");
    }
    session.run("delete from t");
    CHECK(session.run("select action, record, old_row ->> 'n' from pgtide.log0") ==
          std::vector<Row>{{"d", printed(session, id), "2"}});
    session.run("delete from pgtide.log0");
  }
  std::string printed(Session& session, const std::string& id) {
    return *session.value("select concat('" + id + "'::" + id_type + ")");
  }
  void check_both(const std::string& id, const std::string& value) {
    for (Session* session : {&own, &old}) {
      CAPTURE(session == &own);
      check(*session, id, value);
    }
  }
  // Nothing is wrong, and clients were told to read anew.
  void look() {
    CHECK(own.run("select * from pgtide.look()").empty());
    CHECK(own.run("select action from pgtide.log0") == std::vector<Row>{{"s"}});
    own.run("delete from pgtide.log0");
  }

  InstalledDatabase database;
  Session own;  // which alters the table
  Session old;
  std::string id_type = "int";
};

}  // namespace

TEST_CASE("retyping: a value's type may become any other, in sessions with plans for the old one") {
  Retyped db;
  std::vector<Kind> all(std::begin(kinds), std::begin(kinds) + 7);
  all.insert(all.end(), std::begin(values_only), std::end(values_only));
  const std::vector<Kind> steps = tour(all);
  db.own.run("create table t (id int primary key, v int, n int); select pgtide.watch('t')");
  for (const Kind& kind : steps) {
    CAPTURE(kind.type);
    if (&kind != &steps.front()) {
      db.own.run(std::string("alter table t alter v type ") + kind.type + " using null");
      db.check_both("1", kind.value);
      db.look();
    }
    db.check_both("1", kind.value);
  }
}

TEST_CASE("retyping: a key's type may become any other, in sessions with plans for the old one") {
  Retyped db;
  const std::vector<Kind> steps = tour({std::begin(kinds), std::end(kinds)});
  db.own.run("create table t (id int primary key, v text, n int); select pgtide.watch('t')");
  for (const Kind& kind : steps) {
    CAPTURE(kind.type);
    db.id_type = kind.type;
    if (&kind != &steps.front()) {
      db.own.run(std::string("alter table t alter id type ") + kind.type + " using null");
      db.check_both(kind.value, "v");
      db.look();
    }
    db.check_both(kind.value, "v");
  }
}

TEST_CASE("look: a label of an enum that is renamed is told, one that is added is not") {
  const std::string renamed = "alter type mood rename value 'sad' to 'low'";
  struct Case {
    const char* why;
    std::string type;
    std::string sql;
    bool told;
  };
  const Case cases[] = {
      {"added", "mood", "alter type mood add value 'glad'", false},
      {"added at the front", "mood", "alter type mood add value 'glad' before 'sad'", false},
      {"renamed", "mood", renamed, true},
      {"added, and another one renamed", "mood",
       "alter type mood add value 'glad' before 'sad'; " + renamed, true},
      {"in an array", "mood[]", renamed, true},
      {"in a domain", "code", renamed, true},
      {"in a composite", "pair", renamed, true},
      {"in a range", "span", renamed, true},
      {"of a stranger's", "strange", "alter type strange rename value 'a' to 'b'", true},
      {"of a type that no row has", "int", renamed, false},
  };
  const Role stranger;
  for (const Case& c : cases) {
    CAPTURE(c.why);
    InstalledDatabase database;
    Session session = database.session();
    session.run("create type mood as enum ('sad', 'so'); create domain code as mood; "
                "create type pair as (m mood); create type span as range (subtype = mood); "
                "create type strange as enum ('a'); alter type strange owner to " +
                stranger.name() + "; create table t (id int primary key, v " + c.type +
                "); select pgtide.watch('t')");
    const auto is_told = [&] {
      session.run("delete from pgtide.log0; select pgtide.look()");
      return session.value("select count(*) from pgtide.log0") == "1";
    };
    CHECK_FALSE(is_told());
    for (std::size_t at = 0, end = 0; at < c.sql.size(); at = end + 2) {
      end = std::min(c.sql.find("; ", at), c.sql.size());
      session.run(c.sql.substr(at, end - at));
    }
    CHECK(is_told() == c.told);
    CHECK_FALSE(is_told());
  }
  // One that was added is known from then on; an installation from before learns all of them.
  InstalledDatabase database;
  Session session = database.session();
  session.run("create type mood as enum ('sad'); create table t (id int primary key, v mood); "
              "select pgtide.watch('t'); update pgtide.collection set labels = null");
  session.run("select pgtide.look()");
  session.run("alter type mood add value 'glad'");
  session.run("select pgtide.look()");
  CHECK(session.value("select count(*) from pgtide.log0") == "0");
  session.run("alter type mood rename value 'glad' to 'merry'");
  session.run("select pgtide.look()");
  CHECK(session.value("select count(*) from pgtide.log0") == "1");
}

TEST_CASE("look: a rewrite is told that comes after, or with, a watch of what is watched") {
  const std::string rewrite = "alter table t alter column v type text using upper(v) || '!'";
  const std::string watching = "select pgtide.watch('t')";
  struct Case {
    const char* why;
    std::string sql;
    const char* told;
  };
  const Case cases[] = {
      {"watched again, then rewritten", watching + "; " + rewrite, "s"},
      {"in one transaction", "begin; " + watching + "; " + rewrite + "; commit", "s"},
      {"rewritten, then watched again", rewrite + "; " + watching, "s"},
      {"watched otherwise, then rewritten",
       "select pgtide.watch('t', old_rows => false); " + rewrite, "ss"},
      {"truncated, watched again, rewritten", "truncate t; " + watching + "; " + rewrite, "tss"},
      {"swapped, watched, rewritten",
       "alter table t rename to o; alter table o rename constraint t_pkey to o_pkey; create table "
       "t (like o including all); " + watching + "; " + rewrite + "; drop table o", "ss"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.why);
    InstalledDatabase database;
    Session session = database.session();
    session.run("create table t (id int primary key, v text)");
    session.run(watching);
    session.run("select pgtide.look()");
    session.run("delete from pgtide.log0");
    session.run("insert into t values (1, 'low')");
    session.run("delete from pgtide.log0");
    // Each in a transaction of its own, as an operator does.
    for (std::size_t at = 0; at < c.sql.size();) {
      const std::size_t end = std::min(c.sql.find("; ", at), c.sql.size());
      session.run(c.sql.substr(at, end - at));
      at = end + 2;
    }
    CHECK(session.run("select * from pgtide.look()").empty());
    CHECK(session.value("select string_agg(action::text, '' order by id) from pgtide.log0") ==
          c.told);
  }
}
