// A role that owns a watched table and its types, and would have its code run by the capture
// functions. What it defines counts in a sequence, which no rollback takes back.
#include <doctest/doctest.h>

#include <regex>

#include "support/installed_database.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

std::string lines(const std::vector<Row>& rows) {
  std::string text;
  for (const Row& row : rows) {
    for (const std::string& value : row) text += value + ' ';
    text += '\n';
  }
  return text;
}

// Casts of a type to json, text, integer and xml, by functions of the two kinds: one that runs, and
// one that the planner puts in place of its call and evaluates.
std::string trap(const std::string& type) {
  std::string sql;
  for (const char* target : {"json", "jsonb", "text", "int8"}) {
    const std::string name = "trap_" + type + "_" + target;
    const std::string value = std::string(target) == "int8" ? "7" : "'\"trapped\"'";
    sql += "create function " + name + "(" + type + ") returns " + target +
           " language plpgsql as $$ begin perform nextval('public.trapped'); return " + value +
           "; end $$; create cast (" + type + " as " + target + ") with function " + name + "(" +
           type + ") as implicit;";
  }
  const std::string folded = "folded_" + type;
  return sql + "create function " + folded +
         "() returns varchar immutable language plpgsql as "
         "$$ begin perform nextval('public.trapped'); return 'trapped'; end $$; create function " +
         folded + "(" + type + ") returns varchar immutable language sql as 'select " + folded +
         "()'; create cast (" + type + " as varchar) with function " + folded + "(" + type +
         ") as implicit;";
}

// A database with pgtide and a hostile role in it, that may create things in the schema public.
struct Hostile {
  Hostile() : mallory(role.name()) {
    database.run(
        "create sequence trapped; grant usage on sequence trapped to public; "
        "grant create on schema public to " +
        mallory);
    session.emplace(database.session(mallory));
  }
  void watch_table(bool old_rows = true) {
    const auto done = watch(database.url(), {.table = "t", .old_rows = old_rows});
    REQUIRE_MESSAGE(done.ok(), (done.ok() ? "" : done.error().message));
  }
  bool trapped() { return database.value("select is_called from trapped") == "t"; }
  // The changes in the log, a line for each.
  std::string log() {
    return lines(database.run(
        "select action, record, old_row, new_row from pgtide.log where action in ('c', 'u', 'd') "
        "order by id"));
  }

  const Role role;
  InstalledDatabase database;
  const std::string mallory;
  std::optional<Session> session;
};

const std::string moods = "create type mood as enum ('sad', 'so so');";

struct Attack {
  std::string why;
  std::string before;     // by the owner, before the table t is watched
  std::string superuser;  // and by a superuser
  std::string after;      // by the owner, after it
  std::string change;
  std::vector<Row> logged;  // action, record, old_row, new_row
};

const std::vector<Attack>& attacks() {
  static const std::vector<Attack> all = {
      {"an enum",
       moods + trap("mood") + "create table t (id int primary key, m mood)",
       "",
       "",
       "insert into t values (1, 'so so'), (2, null)",
       {{"c", "1", "NULL", R"({"id":1,"m":"so so"})"}, {"c", "2", "NULL", R"({"id":2,"m":null})"}}},
      {"an enum that is updated and deleted",
       moods + trap("mood") + "create table t (id int primary key, m mood)",
       "",
       "",
       "insert into t values (1, 'sad'); update t set m = 'so so'; update t set id = 2; "
       "delete from t",
       {{"c", "1", "NULL", R"({"id":1,"m":"sad"})"},
        {"u", "1", R"({"id":1,"m":"sad"})", R"({"id":1,"m":"so so"})"},
        {"d", "1", R"({"id":1,"m":"so so"})", "NULL"},
        {"c", "2", "NULL", R"({"id":2,"m":"so so"})"},
        {"d", "2", R"({"id":2,"m":"so so"})", "NULL"}}},
      {"a range",
       "create type span as range (subtype = int);" + trap("span") +
           "create table t (id int primary key, r span)",
       "",
       "",
       "insert into t values (1, '[1,5)')",
       {{"c", "1", "NULL", R"x({"id":1,"r":"[1,5)"})x"}}},
      {"arrays of an enum, one of two dimensions",
       moods + trap("mood") + "create table t (id int primary key, m mood[], n mood[])",
       "",
       "",
       R"(insert into t values (1, '{sad,"so so",null}', '{{sad},{"so so"}}'), (2, '{}', null))",
       {{"c", "1", "NULL", R"({"id":1,"m":["sad","so so",null],"n":[["sad"],["so so"]]})"},
        {"c", "2", "NULL", R"({"id":2,"m":[],"n":null})"}}},
      {"composites that hold an enum, and arrays of them",
       moods + trap("mood") + "create type pair as (n numeric, \"M 1\" mood, l int[]);" +
           "create table t (id int primary key, p pair, q pair[])",
       "",
       "",
       "insert into t values (1, row(1.50, 'sad', '{1,2}'), array[row(2, null, null), "
       "null]::pair[]),"
       "(2, row(null, null, null), null)",
       {{"c", "1", "NULL",
         R"({"id":1,"p":{"n":1.50,"M 1":"sad","l":[1,2]},"q":[{"n":2,"M 1":null,"l":null},null]})"},
        {"c", "2", "NULL", R"({"id":2,"p":{"n":null,"M 1":null,"l":null},"q":null})"}}},
      {"domains over an enum and over a number",
       moods + trap("mood") +
           "create domain feeling as mood; create domain amount as numeric;"
           "create table t (id int primary key, f feeling, a amount, l feeling[])",
       "",
       "",
       "insert into t values (1, 'sad', 1.50, '{sad}')",
       {{"c", "1", "NULL", R"({"id":1,"f":"sad","a":1.50,"l":["sad"]})"}}},
      {"a column added",
       moods + trap("mood") + "create table t (id int primary key)",
       "",
       "alter table t add m mood default 'sad'",
       "insert into t values (1)",
       {{"c", "1", "NULL", R"({"id":1,"m":"sad"})"}}},
      {"a column added behind one that is dropped",
       moods + trap("mood") + "create table t (id int primary key)",
       "",
       "alter table t add x int, add m mood default 'sad'; alter table t drop x",
       "insert into t values (1)",
       {{"c", "1", "NULL", R"({"id":1,"m":"sad"})"}}},
      {"a column put in the place of another of its name",
       moods + trap("mood") + "create table t (id int primary key, m text)",
       "",
       "alter table t drop m; alter table t add m mood",
       "insert into t values (1, 'sad')",
       {{"c", "1", "NULL", R"({"id":1,"m":"sad"})"}}},
      {"a type altered",
       moods + trap("mood") + "create table t (id int primary key, m text)",
       "",
       "alter table t alter m type mood using null",
       "insert into t values (1, 'sad')",
       {{"c", "1", "NULL", R"({"id":1,"m":"sad"})"}}},
      {"the type of the key altered",
       moods + trap("mood") + "create table t (id text primary key)",
       "",
       "alter table t alter id type mood using null",
       "insert into t values ('sad'); update t set id = 'so so'; delete from t",
       {{"c", "sad", "NULL", R"({"id":"sad"})"},
        {"d", "sad", R"({"id":"sad"})", "NULL"},
        {"c", "so so", "NULL", R"({"id":"so so"})"},
        {"d", "so so", R"({"id":"so so"})", "NULL"}}},
      {"the type of a partitioned table altered, a column added",
       moods + trap("mood") +
           "create table t (id int primary key, m text) partition by range (id);"
           "create table t1 (m text, id int not null); alter table t attach partition t1 default",
       "",
       "alter table t alter m type mood using null; alter table t add n mood",
       "insert into t values (1, 'sad', 'so so')",
       {{"c", "1", "NULL", R"({"m":"sad","id":1,"n":"so so"})"}}},
      {"an attribute added to a composite",
       moods + trap("mood") +
           "create type pair as (n int); create table t (id int primary key, "
           "p pair)",
       "",
       "alter type pair add attribute m mood",
       "insert into t values (1, row(3, 'sad'))",
       {}},
      {"a composite attribute put in the place of another of its name",
       moods + trap("mood") +
           "create type pair as (n int, m text); create table t (id int primary "
           "key, p pair)",
       "",
       "alter type pair drop attribute m; alter type pair add attribute m mood",
       "insert into t values (1, row(3, 'sad'))",
       {{"c", "1", "NULL", R"({"id":1,"p":{"n":3,"m":"sad"}})"}}},
      {"a type handed to a superuser, its casts still the owner's",
       moods + trap("mood") + "create table t (id int primary key, m mood)",
       "alter type mood owner to postgres",
       "",
       "insert into t values (1, 'sad')",
       {{"c", "1", "NULL", R"({"id":1,"m":"sad"})"}}},
      {"a composite of a superuser that holds a type of another",
       moods + trap("mood") + "create table t (id int primary key)",
       "create type pair as (n int, m mood); alter table t add p pair",
       "",
       "insert into t values (1, row(3, 'sad'))",
       {{"c", "1", "NULL", R"({"id":1,"p":{"n":3,"m":"sad"}})"}}},
      {"casts by the types' own text, and to types of the owner",
       moods + "create cast (mood as json) with inout as implicit; create cast (mood as text) with "
       "inout as implicit; create type other as enum ('sad', 'so so', 'x'); create function "
       "into_other(text) returns other language plpgsql as $$ begin perform "
       "nextval('public.trapped'); return 'x'; end $$; create cast (text as other) with function "
       "into_other(text) as implicit; create function out_of(int) returns other language plpgsql "
       "as $$ begin perform nextval('public.trapped'); return 'x'; end $$; create cast (int as "
       "other) with function out_of(int) as implicit; create table t (id int primary key, m mood, "
       "s text)",
       "",
       "",
       "insert into t values (1, 'so so', 'a'); update t set s = 'b', id = 2",
       {{"c", "1", "NULL", R"({"id":1,"m":"so so","s":"a"})"},
        {"d", "1", R"({"id":1,"m":"so so","s":"a"})", "NULL"},
        {"c", "2", "NULL", R"({"id":2,"m":"so so","s":"b"})"}}},
      {"domains over a composite, and over it in an array",
       moods + trap("mood") + "create type pair as (n int, m mood);" + trap("pair") +
           "create function quiet(pair) returns boolean language plpgsql as $$ begin return true; "
           "end $$; create domain twin as pair check (quiet(value)); "
           "create table t (id int primary key, p twin, l twin[])",
       "",
       "create or replace function quiet(pair) returns boolean language plpgsql as $$ begin "
       "if current_user <> session_user then perform nextval('public.trapped'); end if; return "
       "true; end $$",
       "insert into t values (1, row(3, 'sad'), array[row(4, 'so so')::pair]::twin[])",
       {{"c", "1", "NULL",
         R"({"id":1,"p":{"n":3,"m":"sad"},"l":[{"n":4,"m":"so so"}]})"}}},
      {"defaults, generated columns and checks of theirs",
       moods + trap("mood") +
           "create function whose() returns text language sql stable as 'select "
           "case when current_user = session_user then ''mine'' else ''theirs'' end'; "
           "create function made(int) returns text immutable language plpgsql as $$ begin if "
           "current_user <> session_user then perform nextval('public.trapped'); end if; return "
           "'g'; end $$; create table t (id int primary key, m mood default 'sad', w text default "
           "whose(), g text generated always as (made(id)) stored, check (made(id) = 'g'))",
       "",
       "",
       "insert into t values (1)",
       {{"c", "1", "NULL", R"({"id":1,"m":"sad","w":"mine","g":"g"})"}}},
      {"rules and triggers of theirs",
       moods + trap("mood") +
           "create table t (id int primary key, m mood); create table u (id int); "
           "create function seen() returns int language plpgsql as $$ begin if current_user <> "
           "session_user then perform nextval('public.trapped'); end if; return 1; end $$; "
           "create function first() returns trigger language plpgsql as $$ begin perform seen(); "
           "new.m := 'so so'; return new; end $$; "
           "create trigger a before insert or update on t for each row execute function first(); "
           "create trigger z after insert or update on t for each row execute function first(); "
           "create rule r as on insert to t do also insert into u values (seen())",
       "",
       "",
       "insert into t values (1, 'sad'); update t set m = 'sad'",
       {{"c", "1", "NULL", R"({"id":1,"m":"so so"})"},
        {"u", "1", R"({"id":1,"m":"so so"})", R"({"id":1,"m":"so so"})"}}},
      {"row-level security of theirs",
       moods + trap("mood") +
           "create table t (id int primary key, m mood); "
           "create function let_in() returns boolean language plpgsql as $$ begin if current_user "
           "<> session_user then perform nextval('public.trapped'); end if; return true; end $$",
       "",
       "alter table t enable row level security, force row level security; "
       "create policy p on t using (let_in()) with check (let_in())",
       "insert into t values (1, 'sad'); update t set m = 'so so'",
       {{"c", "1", "NULL", R"({"id":1,"m":"sad"})"},
        {"u", "1", R"({"id":1,"m":"sad"})", R"({"id":1,"m":"so so"})"}}},
      {"a range over a type of theirs, with a function that they made",
       moods + trap("mood") +
           "create function gap(mood, mood) returns float8 immutable language plpgsql as $$ begin "
           "if current_user <> session_user then perform nextval('public.trapped'); end if; return "
           "1; end $$; create type moods as range (subtype = mood, subtype_diff = gap);" +
           trap("moods") + "create table t (id int primary key, r moods, l moods[])",
       "",
       "",
       "insert into t values (1, '[sad,\"so so\")', '{\"[sad,sad]\"}')",
       {{"c", "1", "NULL", R"x({"id":1,"r":"[sad,\"so so\")","l":["[sad,sad]"]})x"}}},
      {"an enum as key",
       moods + trap("mood") + "create table t (id mood primary key, n int)",
       "",
       "",
       "insert into t values ('sad'); update t set n = 1; update t set id = 'so so'; delete from t",
       {{"c", "sad", "NULL", R"({"id":"sad","n":null})"},
        {"u", "sad", R"({"id":"sad","n":null})", R"({"id":"sad","n":1})"},
        {"d", "sad", R"({"id":"sad","n":1})", "NULL"},
        {"c", "so so", "NULL", R"({"id":"so so","n":1})"},
        {"d", "so so", R"({"id":"so so","n":1})", "NULL"}}},
  };
  return all;
}

}  // namespace

TEST_CASE("foreign code: no cast of a type's owner is called, and values print as ever") {
  for (const Attack& attack : attacks()) {
    CAPTURE(attack.why);
    Hostile db;
    db.session->run(attack.before);
    if (!attack.superuser.empty()) db.database.run(attack.superuser);
    db.watch_table();
    if (!attack.after.empty()) db.session->run(attack.after);
    db.session->run("begin;" + attack.change + "; commit");
    CHECK(!db.trapped());
    if (!attack.logged.empty()) CHECK(db.log() == lines(attack.logged));
    // The look takes note, and then it is the same.
    db.database.run("select * from pgtide.look(); truncate pgtide.log0; delete from t");
    db.database.run("truncate pgtide.log0");
    db.session->run("begin;" + attack.change + "; commit");
    CHECK(!db.trapped());
    if (!attack.logged.empty()) CHECK(db.log() == lines(attack.logged));
  }
}

TEST_CASE("foreign code: none in the keys of what is deleted, on a table without old rows") {
  Hostile db;
  db.session->run(moods + trap("mood") + "create table t (id mood primary key, n int)");
  db.watch_table(false);
  const std::string change =
      "begin; insert into t values ('sad'); update t set n = 1; update t set id = 'so so'; "
      "delete from t; commit";
  const auto expected = [](const char* tail) {
    const std::string row = std::string(R"({"id":"sad","n":1)") + tail;
    const std::string other = std::string(R"({"id":"so so","n":1)") + tail;
    return lines({{"c", "sad", "NULL", std::string(R"({"id":"sad","n":null)") + tail},
                  {"u", "sad", "NULL", row},
                  {"d", "sad", R"({"id" : "sad"})", "NULL"},
                  {"c", "so so", "NULL", other},
                  {"d", "so so", R"({"id" : "so so"})", "NULL"}});
  };
  db.session->run(change);
  CHECK(db.log() == expected("}"));
  db.session->run("alter table t add m mood");
  db.database.run("truncate pgtide.log0");
  db.session->run(change);
  CHECK(db.log() == expected(R"(,"m":null})"));
  CHECK(!db.trapped());
}

TEST_CASE("foreign code: none where the writer's snapshot or plan is older than the table") {
  for (const std::string level : {"read committed", "repeatable read", "serializable"}) {
    CAPTURE(level);
    Hostile db;
    db.session->run(moods + "create table t (id int primary key, x text)");
    db.watch_table();
    db.session->run("insert into t values (1)");
    Session writer = db.database.session(db.mallory);
    writer.run("begin isolation level " + level);
    writer.run("select from pg_class limit 1");
    db.session->run(trap("mood") + "alter table t alter x type mood using null, add m mood");
    writer.run("insert into t values (2, 'sad', 'sad')");
    writer.run("commit");
    db.session->run("insert into t values (3, 'sad', 'sad')");  // whose plan is older
    db.session->run("update t set x = 'so so'; delete from t where id = 2");
    CHECK(!db.trapped());
    CHECK(db.database.value("select new_row from pgtide.log where record = '3'") ==
          R"({"id":3,"x":"sad","m":"sad"})");
    // Where the writer sees the table as it was, the row is told without its values.
    CHECK(db.database.value("select coalesce(new_row->>'x', 'none') from pgtide.log order by id "
                            "offset 1 limit 1") == (level == "read committed" ? "sad" : "none"));
  }
}

// PostgreSQL reads (x).name as name(x) where x has no such field, and finds PostgreSQL's own
// functions of that name by way of a cast.
TEST_CASE("foreign code: no field that is gone is taken for a function") {
  for (const std::string field : {"length", "to_json", "upper", "ascii", "abs", "text", "count"}) {
    CAPTURE(field);
    Hostile db;
    db.session->run("create type inner_t as (" + field + " int, other text);" + trap("inner_t") +
                    "create table t (id int primary key, c inner_t, " + field + " text);" +
                    trap("t"));
    db.watch_table();
    db.session->run("alter type inner_t rename attribute " + field + " to renamed");
    Session fresh = db.database.session(db.mallory);
    fresh.run("insert into t values (1, row(1, 'a'), 'x')");
    CHECK(!db.trapped());
    Session old = db.database.session(db.mallory);
    old.run("begin isolation level repeatable read");
    old.run("select from pg_class limit 1");
    db.session->run("alter table t rename column " + field + " to renamed");
    old.run("insert into t values (2, row(2, 'b'), 'y')");
    old.run("commit");
    CHECK(!db.trapped());
    db.session->run("alter type inner_t drop attribute renamed; "
                    "insert into t values (3, row('c'), 'z')");
    CHECK(!db.trapped());
    CHECK(db.database.value("select new_row from pgtide.log where record = '3'") ==
          R"({"id":3,"c":{"other":"c"},"renamed":"z"})");
    db.database.run("select * from pgtide.look()");
    fresh.run("update t set renamed = 'again'");
    CHECK(!db.trapped());
  }
}

TEST_CASE("look: what an owner does to one table keeps no other from being looked at") {
  Hostile db;
  db.session->run("create table t (id int primary key); create table gone (id int primary key); "
                  "create table p (id int primary key) partition by range (id); "
                  "create table p1 partition of p for values from (0) to (9)");
  for (const char* table : {"t", "gone", "p"})
    REQUIRE(watch(db.database.url(), {.table = table}).ok());
  db.session->run(R"(alter table t rename id to "a%s"; alter table gone drop column id)");
  Session locking = db.database.session(db.mallory);
  locking.run("begin; lock table p1 in access exclusive mode");
  Session looking = db.database.session();
  looking.run("set lock_timeout = '5s'");
  CHECK(looking.run("select name from pgtide.look()") == std::vector<Row>{{"gone"}});
  CHECK(looking.run("select name from pgtide.collection c, pgtide.fault(c) f where f.wrong <> ''")
        == std::vector<Row>{{"gone"}});
  db.session->run("insert into t values (5)");
  CHECK(db.database.value("select new_row from pgtide.log where record = '5'") ==
        R"({"a%s":5})");
}

TEST_CASE("foreign code: types of a superuser, as of extensions, keep their own JSON") {
  Hostile db;
  db.database.run(
      "create extension hstore; create extension citext; create table t (id citext "
      "primary key, h hstore, l hstore[])");
  db.watch_table();
  db.database.run(R"(insert into t values ('A', 'a=>1', array['b=>2'::hstore]))");
  const std::vector<Row> logged = {
      {"c", "A", "NULL", R"({"id":"A","h":{"a": "1"},"l":[{"b": "2"}]})"}};
  CHECK(db.log() == lines(logged));
  // Until its owner is another: the look sees that.
  db.database.run("alter type hstore owner to " + db.mallory);
  db.database.run("select * from pgtide.look(); truncate pgtide.log0; delete from t");
  db.database.run("truncate pgtide.log0");
  db.database.run(R"(insert into t values ('A', 'a=>1', array['b=>2'::hstore]))");
  CHECK(db.log() ==
        lines({{"c", "A", "NULL", R"({"id":"A","h":"\"a\"=>\"1\"","l":["\"b\"=>\"2\""]})"}}));
}

TEST_CASE("foreign code: a superuser's cast that looks for names finds none of a writer's") {
  for (const std::string language : {"sql", "plpgsql"}) {
    CAPTURE(language);
    Hostile db;
    db.database.run(
        "create table lookup (v text, label text); insert into lookup values ('a', 'b'); "
        "create type level as enum ('a'); create table t (id int primary key, v level); "
        "grant all on t to " + db.mallory);
    const std::string query = "select to_json(label) from lookup l where l.v = $1::text";
    db.database.run("create function level_json(level) returns json stable language " + language +
                    " as $$ " + (language == "sql" ? query : "begin return (" + query + "); end") +
                    " $$; create cast (level as json) with function level_json(level)");
    db.watch_table();
    db.session->run("create function noted() returns text language plpgsql as "
                    "$$ begin perform nextval('public.trapped'); return 'x'; end $$; "
                    "create temp view lookup as select 'a'::text as v, noted() as label; "
                    "grant select on lookup to public; insert into t values (1, 'a')");
    CHECK(db.log() == lines({{"c", "1", "NULL", R"({"id":1,"v":"a"})"}}));
    CHECK_FALSE(db.trapped());
  }
}

// Of each kind of write, to rows that are there, by a session that has the plan and by one that has
// not.
TEST_CASE("foreign code: none in a column that came since, or in another table's rows") {
  for (const std::string kept : {"true", "false"}) {
    CAPTURE(kept);
    Hostile db;
    db.session->run(moods + trap("mood") +
                    "create table t (id int primary key, x text); insert into t values (1), (2); "
                    "create table other (id int primary key, x text, m mood)");
    db.watch_table(kept == "true");
    db.session->run("update t set x = 'a'");
    db.session->run("alter table t add m mood default 'sad'");
    const std::string writes = "update TABLE set x = 'b'; update TABLE set id = 3 where id = 2; "
                               "delete from TABLE; insert into TABLE values (1), (2)";
    const auto on = [&](const std::string& table) {
      return std::regex_replace(writes, std::regex("TABLE"), table);
    };
    db.session->run(on("t"));
    Session fresh = db.database.session(db.mallory);
    fresh.run(on("t"));
    CHECK(!db.trapped());
    db.database.run("create trigger stray after insert or update or delete on other for each row "
                    "execute function pgtide.capture_1()");
    for (int times = 0; times < 2; ++times) {
      db.session->run(on("other"));
      fresh.run(on("other"));
    }
    CHECK(!db.trapped());
  }
}

// A stranger may have made the schema before the restore, with functions of our names, and have the
// log's number be the one that our functions were written for: it can be had by burning numbers.
TEST_CASE("foreign code: none by functions of our names where another role runs the capture") {
  Hostile db;
  db.database.run("create table t (id int primary key, x text)");
  db.watch_table();
  db.database.run(
      "create function trap_column(regclass, int) returns bool immutable language plpgsql as "
      "$$ begin perform nextval('public.trapped'); return true; end $$; "
      "create or replace function pgtide.ends_with(relation regclass, columns int) returns bool "
      "immutable language sql as 'select public.trap_column($1, $2)'; "
      "create or replace function pgtide.same_type(x anyelement, pattern anyelement) returns bool "
      "immutable language sql as 'select public.trap_column(''pg_class'', 1)'");
  const Role other("superuser");
  db.database.run("alter function pgtide.capture_1() owner to " + other.name());
  const std::string writes = "insert into t values (1, 'a'), (2, 'b'); update t set x = 'c'; "
                             "update t set id = 3 where id = 2; delete from t";
  db.database.run(writes);
  db.database.session().run(writes);
  CHECK(!db.trapped());
  CHECK(db.log() == "");
}

TEST_CASE("foreign code: a capture function logs nothing in a database that is not its own") {
  Hostile db;
  db.database.run("create table t (id int primary key, v int)");
  db.watch_table();
  db.database.run("insert into t values (1, 1)");
  REQUIRE(db.database.value("select count(*) from pgtide.log0") == "1");
  // As a restored dump that has given everything else the same numbers.
  db.database.run("alter table pgtide.log0 rename to former; create table pgtide.log0 (like "
                  "pgtide.former including all); grant all on pgtide.log0 to public");
  db.database.run("insert into t values (2, 2); update t set v = 3; delete from t where id = 2");
  db.session->run(moods + trap("mood"));
  db.database.run("alter table t add m mood default 'sad'; insert into t values (3, 3); "
                  "update t set v = 4; delete from t");
  CHECK(!db.trapped());
  db.database.run("alter table t alter v type text; insert into t values (3, 'x'); truncate t");
  CHECK(db.database.value("select count(*) from pgtide.log0") == "0");
  db.database.run("drop table pgtide.log0 cascade; insert into t values (4, 'x'); truncate t");
}

TEST_CASE("foreign code: no cast to a stranger's type changes how others' values print") {
  Hostile db;
  db.database.run("create extension hstore; create table t (id int primary key, h hstore)");
  db.watch_table();
  db.session->run("create type mine as enum ('x'); create function into_mine(hstore) returns mine "
                  "language sql as $$ select 'x'::mine $$; create cast (hstore as mine) with "
                  "function into_mine(hstore) as implicit");
  db.database.run("select * from pgtide.look()");
  db.database.run("insert into t values (1, 'a=>1')");
  CHECK(db.log() == lines({{"c", "1", "NULL", R"({"id":1,"h":{"a": "1"}})"}}));
}

TEST_CASE("foreign code: a writer's settings do not reach what is written column by column") {
  Hostile db;
  db.session->run(moods + "create table t (id int primary key, m mood[])");
  db.watch_table();
  db.session->run("set array_nulls = off; set standard_conforming_strings = off; set "
                  "quote_all_identifiers = on; set transform_null_equals = on");
  const std::string change = "insert into t (id, m) values (1, array[null, 'sad']::mood[])";
  db.session->run(change);
  CHECK(db.log() == lines({{"c", "1", "NULL", R"({"id":1,"m":[null,"sad"]})"}}));
  // The slow way, too.
  db.session->run("alter table t add \"a\\b\" int; truncate t");
  db.database.run("truncate pgtide.log0");
  db.session->run(change);
  CHECK(db.log() == lines({{"c", "1", "NULL", R"({"id":1,"m":[null,"sad"],"a\\b":null})"}}));
}

TEST_CASE("foreign code: a composite of very many values is printed as its text") {
  Hostile db;
  std::string types = moods + "create type c0 as (m mood);";
  for (int n = 1; n < 25; ++n)
    types += "create type c" + std::to_string(n) + " as (a c" + std::to_string(n - 1) + ", b c" +
             std::to_string(n - 1) + ");";
  db.session->run(types + "create table t (id int primary key, c c24)");
  db.watch_table();
  db.session->run("insert into t values (1, row(null, null))");
  CHECK(db.log() == lines({{"c", "1", "NULL", R"x({"id":1,"c":"(,)"})x"}}));
}
